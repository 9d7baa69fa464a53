import gzip
import json
import math

import nibabel
import numpy as np
import pytest
from nibabel.affines import obliquity, voxel_sizes
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mrisynth.phantoms import phantom
from mrisynth.phantoms.phantom import draw_anatomy, draw_phantom, draw_scanner, write_phantoms

SUBJECTS = range(1, 33)


def to_world(template, subject):
    """World position in mm of a template position; the smooth warp moves it by a few mm more."""
    anatomy = draw_anatomy(subject)
    rotation = Rotation.from_euler("xyz", anatomy.tilt, degrees=True).as_matrix()
    return rotation @ (np.array(template) * anatomy.head_scale) + anatomy.position


def sample(image, points):
    """Linear interpolation of an image at world positions in mm, [..., 3]."""
    voxels = nibabel.affines.apply_affine(np.linalg.inv(image.affine), points)
    values = np.asarray(image.dataobj, dtype=np.float32)
    return ndimage.map_coordinates(values, np.moveaxis(voxels, -1, 0), order=1)


def ball(center, radius):
    """Points at every mm within `radius` mm of `center`."""
    steps = np.arange(-radius, radius + 1)
    offsets = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    return np.asarray(center) + offsets[np.linalg.norm(offsets, axis=1) <= radius]


def files(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def healthy():
    """A subject without lesions whose acquisition is oblique."""
    number = next(s for s in SUBJECTS if not draw_anatomy(s).lesions and any(draw_scanner(s).obliquity))
    return number, draw_phantom(number)


@pytest.fixture(scope="module")
def diseased():
    """A subject with lesions in the white matter."""
    number = next(s for s in SUBJECTS if len(draw_anatomy(s).lesions) > 2)
    return number, draw_phantom(number)


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    directory = tmp_path_factory.mktemp("phantoms") / "deep" / "set"
    write_phantoms(directory, subjects=2, num_workers=2, progress=False)
    return directory


def test_parameters_follow_from_seed_and_subject():
    assert draw_anatomy(5, seed=3) == draw_anatomy(5, seed=3)
    assert draw_scanner(5, seed=3) == draw_scanner(5, seed=3)
    assert len({draw_anatomy(s).folding_wavelength for s in SUBJECTS}) == len(SUBJECTS)
    assert draw_anatomy(5, seed=3) != draw_anatomy(5, seed=4)


def test_ventricles_grow_with_age():
    anatomies = [draw_anatomy(s, seed) for s in SUBJECTS for seed in range(5)]
    ages, scales = zip(*((a.age, a.ventricle_scale) for a in anatomies), strict=True)
    assert np.corrcoef(ages, scales)[0, 1] > 0.5


def test_acquisitions_differ():
    scanners = [draw_scanner(s) for s in SUBJECTS]
    anisotropic = [s for s in scanners if s.voxel_size[2] > 1.4 * s.voxel_size[0]]
    oblique = [s for s in scanners if max(np.abs(s.obliquity)) > 3]
    assert len(anisotropic) >= 8
    assert any(s.voxel_size == (1.0, 1.0, 1.0) for s in scanners)
    assert 4 <= len(oblique) <= 24
    assert len({s.orientation for s in scanners}) >= 4
    assert max(s.peak for s in scanners) > 4 * min(s.peak for s in scanners)


def test_subjects_differ(healthy, diseased):
    grid = np.stack(np.meshgrid(np.arange(-80, 80, 2), np.arange(-100, 80, 2), [20], indexing="ij"), axis=-1)
    first, second = (sample(subject.image, grid) for _, subject in (healthy, diseased))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.9


def test_header_describes_the_acquisition(healthy):
    number, subject = healthy
    scanner = draw_scanner(number)
    image = subject.image
    assert subject.subject == f"phantom{number:03d}"
    assert image.get_data_dtype() == np.int16
    assert subject.lesion_mask.get_data_dtype() == np.uint8
    np.testing.assert_allclose(sorted(voxel_sizes(image.affine)), sorted(scanner.voxel_size), rtol=1e-5)
    np.testing.assert_allclose(subject.lesion_mask.affine, image.affine)
    assert "".join(nibabel.aff2axcodes(image.affine)) == scanner.orientation
    assert np.rad2deg(obliquity(image.affine)).max() > 2
    np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-4)
    origin = np.linalg.inv(image.affine)[:3, 3] / image.shape
    assert ((origin > 0.15) & (origin < 0.85)).all()


def test_head_lies_inside_the_field_of_view(healthy, diseased):
    for number, subject in (healthy, diseased):
        scanner = draw_scanner(number)
        values = nibabel.as_closest_canonical(subject.image).get_fdata()
        threshold = 6 * scanner.noise * scanner.peak
        left, right, back, top = values[0], values[-1], values[:, 0], values[:, :, -1]
        for border in (left, right, back, top):
            assert (border < threshold).all()
        assert (values > threshold).mean() > 0.2


def test_background_is_rician(healthy):
    number, subject = healthy
    scanner = draw_scanner(number)
    values = nibabel.as_closest_canonical(subject.image).get_fdata()
    corner = values[:8, :8, -8:]
    # Without signal the magnitude is Rayleigh distributed: its mean is sigma * sqrt(pi / 2).
    assert corner.mean() == pytest.approx(scanner.noise * scanner.peak * math.sqrt(math.pi / 2), rel=0.1)
    assert corner.mean() / corner.std() == pytest.approx(1.913, rel=0.1)


def test_ventricles_are_darker_than_white_matter(healthy):
    number, subject = healthy
    for side in (-1, 1):
        ventricle = sample(subject.image, ball(to_world((side * 22, -40, 11), number), 3))
        white_matter = sample(subject.image, ball(to_world((side * 26, -5, 32), number), 6))
        assert ventricle.mean() < 0.5 * np.median(white_matter)


def test_skull_is_darker_than_scalp_and_brain(healthy):
    number, subject = healthy
    directions = [(math.cos(a), math.sin(a), 0) for a in np.linspace(0, 2 * math.pi, 24, endpoint=False)]
    distances = np.arange(120, 20, -0.5)
    found = 0
    for direction in directions:
        template = np.array((0, -15, 35)) + distances[:, None] * direction
        profile = sample(subject.image, np.array([to_world(point, number) for point in template]))
        surface = np.argmax(profile > 0.25 * draw_scanner(number).peak)
        scalp = profile[surface : surface + 16].max()
        skull = profile[surface + 4 : surface + 50].min()
        brain = np.median(profile[surface + 50 : surface + 80])
        found += skull < 0.4 * scalp and skull < 0.5 * brain
    assert found >= 22


def test_lesions_are_brighter_than_white_matter(diseased):
    number, subject = diseased
    values = np.asarray(subject.image.dataobj)
    mask = np.asarray(subject.lesion_mask.dataobj) == 1
    assert subject.lesions == len(draw_anatomy(number).lesions) > 0
    assert mask.sum() > 50
    rim = ndimage.binary_dilation(mask, iterations=7) & ~ndimage.binary_dilation(mask, iterations=3)
    assert np.median(values[mask]) > 1.4 * np.median(values[rim])


def test_healthy_subject_has_an_empty_mask(healthy):
    _, subject = healthy
    assert subject.lesions == 0
    assert not np.asarray(subject.lesion_mask.dataobj).any()


def test_data_set_is_bids(data_set):
    assert sorted(files(data_set)) == [
        "dataset_description.json",
        "derivatives/lesion/sub-phantom001/anat/sub-phantom001_label-lesion_mask.nii.gz",
        "derivatives/lesion/sub-phantom002/anat/sub-phantom002_label-lesion_mask.nii.gz",
        "participants.tsv",
        "sub-phantom001/anat/sub-phantom001_FLAIR.nii.gz",
        "sub-phantom002/anat/sub-phantom002_FLAIR.nii.gz",
    ]
    assert json.loads((data_set / "dataset_description.json").read_text())["BIDSVersion"]
    lines = (data_set / "participants.tsv").read_text().splitlines()
    anatomies = [draw_anatomy(subject) for subject in (1, 2)]
    assert lines == [
        "participant_id\tage\tsex\tlesions",
        *(f"sub-phantom{n:03d}\t{a.age}\t{a.sex}\t{len(a.lesions)}" for n, a in enumerate(anatomies, 1)),
    ]


def test_bytes_depend_on_neither_workers_nor_number_of_subjects(data_set, tmp_path):
    write_phantoms(tmp_path / "set", subjects=1, num_workers=1, progress=False)
    one, two = files(tmp_path / "set"), files(data_set)
    for name in one:
        if "phantom001" in name:
            assert one[name] == two[name]


def test_files_round_trip_without_scaling(data_set):
    path = data_set / "sub-phantom001/anat/sub-phantom001_FLAIR.nii.gz"
    image = nibabel.load(path)
    assert (image.dataobj.slope, image.dataobj.inter) == (1, 0)
    assert path.read_bytes()[4:8] == bytes(4), "the gzip header holds a time stamp"
    assert len(gzip.decompress(path.read_bytes())) == 352 + 2 * math.prod(image.shape)


def test_existing_directory_is_refused(tmp_path):
    with pytest.raises(FileExistsError, match=str(tmp_path)):
        write_phantoms(tmp_path, subjects=1, progress=False)
    assert not list(tmp_path.iterdir())


def test_failure_leaves_nothing(tmp_path, monkeypatch):
    def fail(directory, seed, subject):
        (directory / "sub-phantom001").mkdir()
        raise OSError("no space left")

    monkeypatch.setattr(phantom, "_write_subject", fail)
    with pytest.raises(OSError, match="no space left"):
        write_phantoms(tmp_path / "set", subjects=2, num_workers=1, progress=False)
    assert not list(tmp_path.iterdir())
