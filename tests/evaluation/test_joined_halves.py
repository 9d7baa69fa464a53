import dataclasses

import nibabel
import numpy as np
import pytest

from mrisynth.evaluation.joined_halves import TITLES, find_partners, join_halves
from mrisynth.metrics.global_consistency import global_consistency
from mrisynth.metrics.swd import sliced_wasserstein_distance
from mrisynth.phantoms import dataset, scanner, structures
from mrisynth.phantoms.scanner import draw_scanner

SUBJECTS = np.repeat(["a", "a", "b", "c", "d"], [4, 4, 8, 2, 3])
SCANS = np.repeat([10, 11, 12, 13, 14], [4, 4, 8, 2, 3])
KINDS = np.repeat(["FLAIR", "T1w", "FLAIR", "FLAIR", "T2w"], [4, 4, 8, 2, 3])


def test_partners_are_other_subjects_of_the_same_contrast_at_the_same_place():
    partners = find_partners(SUBJECTS, SCANS, KINDS)
    place = np.concatenate([(np.arange(n) + 0.5) / n for n in (4, 4, 8, 2, 3)])
    for number, partner in enumerate(partners):
        if KINDS[number] != "FLAIR":
            assert partner == -1
            continue
        assert SUBJECTS[partner] != SUBJECTS[number]
        assert KINDS[partner] == "FLAIR"
        assert abs(place[partner] - place[number]) <= 0.25
    np.testing.assert_array_equal(partners, find_partners(SUBJECTS, SCANS, KINDS))
    assert set(SUBJECTS[partners[SUBJECTS == "b"]]) == {"a", "c"}


def test_each_half_is_of_one_subject():
    images = (np.arange(21, dtype=np.uint8)[:, None, None, None]) * np.ones((21, 4, 4, 2), np.uint8)
    partners = find_partners(SUBJECTS, SCANS, KINDS)
    joined = join_halves(images, partners)
    assert list(joined) == list(TITLES)
    rows = np.flatnonzero(partners >= 0)
    for first, second, side in (
        (joined["left_right"][:, :, :2], joined["left_right"][:, :, 2:], "left and right"),
        (joined["top_bottom"][:, :2], joined["top_bottom"][:, 2:], "top and bottom"),
    ):
        assert (first == images[rows][:, :1, :1]).all(), side
        assert (second == images[partners[rows]][:, :1, :1]).all(), side
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(21))


def test_of_one_subject_there_is_nothing_to_join():
    partners = find_partners(["a"] * 4, [0, 0, 1, 1], ["FLAIR"] * 4)
    assert (partners == -1).all()
    assert join_halves(np.zeros((4, 16, 16, 1), np.uint8), partners) == {}


SLICES = 16


def phantom_slices(subjects):
    """Axial slices of phantoms that are acquired coarsely, the head in the middle, [N, 64, 64]."""
    slices = []
    for subject in subjects:
        image = nibabel.as_closest_canonical(dataset.draw_phantom(subject).images["FLAIR"])
        values = np.asarray(image.dataobj, np.float32)
        values = np.pad(np.minimum(values / np.percentile(values, 99.5), 1), ((32, 32), (32, 32), (0, 0)))
        inside = [np.flatnonzero((values > 0.2).any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        x, y = ((places[0] + places[-1]) // 2 for places in inside[:2])
        heights = np.linspace(0.3, 0.85, SLICES) * (inside[2][-1] - inside[2][0]) + inside[2][0]
        for height in np.rint(heights).astype(int):
            slices.append(values[x - 32 : x + 32, y - 32 : y + 32, height].T)
    return np.rint(255 * np.array(slices)).astype(np.uint8)


@pytest.mark.slow
def test_of_phantoms_global_consistency_sees_them_and_patches_do_less(monkeypatch):
    coarse = {"voxel_size": (4.0, 4.0, 4.0), "obliquity": (0.0, 0.0, 0.0)}
    for module in (scanner, structures):
        monkeypatch.setattr(module, "FIELD_SPACING", 4.4)
    monkeypatch.setattr(
        dataset, "draw_scanner", lambda *which: dataclasses.replace(draw_scanner(*which), **coarse)
    )
    training, heldout = phantom_slices(range(1, 31)), phantom_slices(range(31, 61))
    subjects = np.repeat(np.arange(30), SLICES)
    partners = find_partners(subjects, subjects, np.zeros(len(subjects)))

    def measured(images):
        consistency = global_consistency(heldout, images)["halves"]
        return np.array([consistency, sliced_wasserstein_distance(heldout, images)["mean"]])

    real = measured(training)
    for name, images in join_halves(training[..., np.newaxis], partners).items():
        consistency, patches = measured(images[..., 0]) / real
        assert consistency > 2, name
        assert patches < 1.3, name
