import gzip
import json
import math

import nibabel
import numpy as np
import pytest

from mrisynth.locking import exclusive
from mrisynth.phantoms import dataset
from mrisynth.phantoms.anatomy import draw_anatomy
from mrisynth.phantoms.dataset import write_phantoms
from tests.phantoms.sampling import sample


def files(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    directory = tmp_path_factory.mktemp("phantoms") / "deep" / "set"
    write_phantoms(directory, subjects=2, num_workers=2)
    return directory


def test_subjects_differ(healthy, diseased):
    grid = np.stack(np.meshgrid(np.arange(-80, 80, 2), np.arange(-100, 80, 2), [20], indexing="ij"), axis=-1)
    first, second = (sample(subject.images["FLAIR"], grid) for _, subject in (healthy, diseased))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.9


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


def test_bytes_depend_on_neither_workers_nor_subjects_nor_contrasts_that_are_drawn_too(data_set, tmp_path):
    options = {"subjects": 1, "num_workers": 1}
    write_phantoms(tmp_path / "all", **options, contrasts=("T2w", "FLAIR", "T1w"))
    write_phantoms(tmp_path / "one", **options, contrasts=("T1w",))
    everything, t1w, flair = files(tmp_path / "all"), files(tmp_path / "one"), files(data_set)
    assert sorted(name.rpartition("/")[2] for name in everything if name.endswith(".nii.gz")) == [
        "sub-phantom001_FLAIR.nii.gz",
        "sub-phantom001_T1w.nii.gz",
        "sub-phantom001_T2w.nii.gz",
        "sub-phantom001_label-lesion_mask.nii.gz",
    ]
    for other in (t1w, flair):
        common = {name for name in everything.keys() & other if "phantom001" in name}
        assert len(common) == 2
        assert all(everything[name] == other[name] for name in common)


def test_contrasts_of_a_subject_share_a_grid_and_differ(diseased):
    images = diseased[1].images
    assert list(images) == ["FLAIR", "T1w", "T2w"]
    for image in images.values():
        np.testing.assert_array_equal(image.affine, images["FLAIR"].affine)
        assert image.shape == diseased[1].lesion_mask.shape
    assert len({np.asarray(image.dataobj).tobytes() for image in images.values()}) == 3


@pytest.mark.parametrize("contrasts", [(), ("FLAIR", "PD")])
def test_contrasts_that_there_are_not_are_refused(contrasts, tmp_path):
    with pytest.raises(ValueError, match="phantoms are drawn in FLAIR, T1w, T2w"):
        write_phantoms(tmp_path / "set", subjects=1, contrasts=contrasts)
    assert list(tmp_path.iterdir()) == []


def test_files_round_trip_without_scaling(data_set):
    path = data_set / "sub-phantom001/anat/sub-phantom001_FLAIR.nii.gz"
    image = nibabel.load(path)
    assert (image.dataobj.slope, image.dataobj.inter) == (1, 0)
    assert path.read_bytes()[4:8] == bytes(4), "the gzip header holds a time stamp"
    assert len(gzip.decompress(path.read_bytes())) == 352 + 2 * math.prod(image.shape)


def test_existing_directory_is_refused(tmp_path):
    with pytest.raises(FileExistsError, match=str(tmp_path)):
        write_phantoms(tmp_path, subjects=1)
    assert not list(tmp_path.iterdir())


def test_failure_leaves_nothing(tmp_path, monkeypatch):
    def fail(directory, seed, contrasts, subject):
        (directory / "sub-phantom001").mkdir()
        raise OSError("no space left")

    monkeypatch.setattr(dataset, "_write_subject", fail)
    with pytest.raises(OSError, match="no space left"):
        write_phantoms(tmp_path / "set", subjects=2, num_workers=1)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_cleared_whatever_its_number(tmp_path, monkeypatch):
    left = tmp_path / ".set.partial" / "sub-phantom001"
    left.mkdir(parents=True)
    monkeypatch.setattr(dataset, "_write_subject", lambda *_: "sub-phantom001\t50\tF\t0\n")
    write_phantoms(tmp_path / "set", subjects=1, num_workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert not (tmp_path / "set" / "sub-phantom001").exists()


def test_two_processes_do_not_draw_the_same_phantoms(tmp_path):
    with exclusive(tmp_path / ".set.lock"), pytest.raises(OSError, match="another process is writing"):
        write_phantoms(tmp_path / "set", subjects=1, num_workers=1)
    assert list(tmp_path.iterdir()) == []
