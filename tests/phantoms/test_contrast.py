import itertools
import math

import nibabel
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mrisynth.phantoms import contrast as contrasts
from mrisynth.phantoms.anatomy import draw_anatomy
from mrisynth.phantoms.contrast import CONTRASTS, Contrast, paint
from mrisynth.phantoms.dataset import draw_phantom
from mrisynth.phantoms.scanner import draw_scanner
from mrisynth.phantoms.tissues import Layer
from tests.phantoms.sampling import sample

TABLES = {
    "FLAIR": Contrast({"white_matter": 0.4, "cerebrospinal_fluid": 0.1, "lesion": 0.8}, halo=0.5),
    "T2w": Contrast({"white_matter": 0.3, "cerebrospinal_fluid": 1.0, "lesion": 0.7}, halo=0.0),
}
# Every tissue whose order in a contrast is known, and lies in a brain or on it.
TISSUES = ("fat", "cerebrospinal_fluid", "gray_matter", "white_matter", "lesion")


def to_world(template, subject):
    """World position in mm of a template position; the smooth warp moves it by a few mm more."""
    anatomy = draw_anatomy(subject)
    rotation = Rotation.from_euler("xyz", anatomy.tilt, degrees=True).as_matrix()
    return rotation @ (np.array(template) * anatomy.head_scale) + anatomy.position


def ball(center, radius):
    """Points at every mm within `radius` mm of `center`."""
    steps = np.arange(-radius, radius + 1)
    offsets = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    return np.asarray(center) + offsets[np.linalg.norm(offsets, axis=1) <= radius]


def everywhere(fraction):
    return np.full((1, 1, 2), fraction, np.float32)


def test_a_voxel_has_the_mean_signal_of_its_tissues():
    layers = [Layer("white_matter", everywhere(1.0)), Layer("cerebrospinal_fluid", everywhere(0.25))]
    painted = paint(layers, TABLES, (1, 1, 2))
    np.testing.assert_allclose(painted["FLAIR"], 0.75 * 0.4 + 0.25 * 0.1, rtol=1e-6)
    np.testing.assert_allclose(painted["T2w"], 0.75 * 0.3 + 0.25 * 1.0, rtol=1e-6)


def test_texture_scales_the_signal():
    layers = [Layer("white_matter", everywhere(1.0), np.array([[[0.5, 2.0]]], np.float32))]
    np.testing.assert_allclose(paint(layers, TABLES, (1, 1, 2))["FLAIR"].ravel(), [0.2, 0.8], rtol=1e-6)


def test_contrasts_differ_in_how_bright_white_matter_is_beside_the_ventricles():
    layers = [Layer("white_matter", everywhere(1.0), 1.0, np.array([[[0.0, 1.0]]], np.float32))]
    painted = paint(layers, TABLES, (1, 1, 2))
    np.testing.assert_allclose(painted["FLAIR"].ravel(), [0.4, 0.6], rtol=1e-6)
    np.testing.assert_allclose(painted["T2w"].ravel(), [0.3, 0.3], rtol=1e-6)


def test_lesions_leave_fluid_as_it_is_in_every_contrast():
    fluid = Layer("cerebrospinal_fluid", np.array([[[1.0, 0.0]]], np.float32))
    lesion = Layer("lesion", everywhere(1.0), spares_fluid=True)
    painted = paint([Layer("white_matter", everywhere(1.0)), fluid, lesion], TABLES, (1, 1, 2))
    np.testing.assert_allclose(painted["FLAIR"].ravel(), [0.1, 0.8], rtol=1e-6)
    np.testing.assert_allclose(painted["T2w"].ravel(), [1.0, 0.7], rtol=1e-6)


def test_every_table_has_every_tissue():
    assert {frozenset(table.signals) for table in CONTRASTS.values()} == {
        frozenset(CONTRASTS["FLAIR"].signals)
    }
    assert all(0 <= signal <= 1 for table in CONTRASTS.values() for signal in table.signals.values())


def test_flair_is_drawn_as_it_was_before_there_were_other_contrasts(diseased):
    values = np.asarray(diseased[1].images["FLAIR"].dataobj)
    # Versions of NumPy differ in the last bit, which rounds to a step of 1 in a voxel of 100,000.
    was = [
        [30, 4, 22, 12, 425, 1394, 1358, 10, 29],
        [7, 29, 565, 995, 1063, 726, 939, 106, 813],
        [6, 784, 826, 773, 706, 380, 743, 109, 568],
        [19, 128, 865, 784, 151, 860, 566, 734, 817],
        [23, 141, 727, 796, 143, 283, 978, 1072, 421],
        [19, 240, 1095, 761, 777, 1128, 823, 782, 159],
        [23, 12, 1780, 154, 552, 1078, 1023, 426, 1374],
    ]
    np.testing.assert_allclose(values[20:160:20, 20:200:20, 70], was, atol=1)


@pytest.fixture(scope="module")
def signals(diseased):
    """Median signal of voxels of one tissue, by contrast and tissue, in a subject with lesions.

    Where they are is seen in contrasts that show nothing but one tissue.
    """
    number, subject = diseased
    nothing = dict.fromkeys(CONTRASTS["FLAIR"].signals, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        for tissue in TISSUES:
            patch.setitem(contrasts.CONTRASTS, tissue, Contrast({**nothing, tissue: 1.0}, halo=0.0))
        alone = draw_phantom(number, contrasts=TISSUES).images
    # Fat is suppressed by up to a quarter, and the coil is less sensitive in places.
    where = {
        name: np.asarray(image.dataobj) > 0.7 * draw_scanner(number).peak for name, image in alone.items()
    }
    assert min(mask.sum() for mask in where.values()) > 50
    return {
        contrast: {tissue: np.median(np.asarray(image.dataobj)[mask]) for tissue, mask in where.items()}
        for contrast, image in subject.images.items()
    }


@pytest.mark.parametrize(
    ("contrast", "order"),
    [
        ("FLAIR", ("cerebrospinal_fluid", "white_matter", "gray_matter", "lesion")),
        ("T1w", ("cerebrospinal_fluid", "gray_matter", "white_matter", "fat")),
        ("T1w", ("cerebrospinal_fluid", "lesion", "white_matter")),
        ("T2w", ("white_matter", "gray_matter", "lesion", "cerebrospinal_fluid")),
        ("T2w", ("gray_matter", "fat", "cerebrospinal_fluid")),
    ],
)
def test_tissues_have_the_order_of_their_contrast_in_the_voxels(signals, contrast, order):
    levels = [signals[contrast][tissue] for tissue in order]
    assert all(brighter > 1.15 * darker for darker, brighter in itertools.pairwise(levels))


def test_a_lesion_is_dark_in_t1w_and_no_darker_than_gray_matter_by_far(signals):
    lesion, gray = signals["T1w"]["lesion"], signals["T1w"]["gray_matter"]
    assert 0.75 * gray < lesion < 1.05 * gray


def _gradients(image):
    """Directions of the steepest change in each voxel that has a clear one, and where these voxels are."""
    values = ndimage.gaussian_filter(np.asarray(image.dataobj, np.float32), 1)
    gradients = np.stack(np.gradient(values))
    steepness = np.linalg.norm(gradients, axis=0)
    return gradients / np.maximum(steepness, 1e-6), steepness > np.quantile(steepness, 0.9)


def test_edges_of_all_contrasts_coincide(diseased):
    flair, *others = (_gradients(image) for image in diseased[1].images.values())

    def disagreement(other, shift):
        """Mean squared sine between gradients that are clear in both; 2/3 by chance."""
        directions, clear = (np.roll(each, shift, axis=(-3, -2, -1)) for each in other)
        both = flair[1] & clear
        return 1 - np.mean(np.sum(flair[0] * directions, axis=0)[both] ** 2)

    for other in others:
        here = disagreement(other, (0, 0, 0))
        assert here < 0.01
        shifts = [sign * row for row in np.eye(3, dtype=int) for sign in (-1, 1)]
        assert min(disagreement(other, tuple(shift)) for shift in shifts) > 2 * here


def test_noise_of_contrasts_is_independent(healthy):
    _, subject = healthy
    images = [nibabel.as_closest_canonical(image).get_fdata() for image in subject.images.values()]
    corners = np.stack([image[:8, :8, -8:].ravel() for image in images])
    assert np.abs(np.corrcoef(corners) - np.eye(3)).max() < 0.15


def test_ventricles_are_brighter_than_white_matter_in_t2w_alone(healthy):
    number, subject = healthy
    for side in (-1, 1):
        for contrast, image in subject.images.items():
            ventricle = sample(image, ball(to_world((side * 22, -40, 11), number), 3))
            white_matter = sample(image, ball(to_world((side * 26, -5, 32), number), 6))
            assert (ventricle.mean() / np.median(white_matter) > 2) == (contrast == "T2w")
            assert (ventricle.mean() / np.median(white_matter) < 0.5) == (contrast != "T2w")


def test_skull_is_darker_than_scalp_and_brain(healthy):
    number, subject = healthy
    directions = [(math.cos(a), math.sin(a), 0) for a in np.linspace(0, 2 * math.pi, 24, endpoint=False)]
    distances = np.arange(120, 20, -0.5)
    found = 0
    for direction in directions:
        template = np.array((0, -15, 35)) + distances[:, None] * direction
        profile = sample(subject.images["FLAIR"], np.array([to_world(point, number) for point in template]))
        surface = np.argmax(profile > 0.25 * draw_scanner(number).peak)
        scalp = profile[surface : surface + 16].max()
        skull = profile[surface + 4 : surface + 50].min()
        brain = np.median(profile[surface + 50 : surface + 80])
        found += skull < 0.4 * scalp and skull < 0.5 * brain
    assert found >= 22


def test_lesions_are_brighter_than_white_matter(diseased):
    number, subject = diseased
    values = np.asarray(subject.images["FLAIR"].dataobj)
    mask = np.asarray(subject.lesion_mask.dataobj) == 1
    assert subject.lesions == len(draw_anatomy(number).lesions) > 0
    assert mask.sum() > 50
    rim = ndimage.binary_dilation(mask, iterations=7) & ~ndimage.binary_dilation(mask, iterations=3)
    assert np.median(values[mask]) > 1.4 * np.median(values[rim])
