import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from mrisynth.data import prepare_dataset
from mrisynth.data.finding import dicom
from mrisynth.data.finding.dicom_series import subject_name
from mrisynth.data.reading.volumes import load_volume
from mrisynth.errors import UserError
from tests.data.dicom_files import secrets_of, write_mosaic, write_multiframe, write_series
from tests.data.ellipsoid_scans import SMALL, head_image, rotation
from tests.programs import ROOT, wait_for

AXIAL = head_image(shape=(22, 28, 25), spacing=(8.0, 8.0, 8.0), dtype=np.uint16)
OBLIQUE = head_image(
    shape=(30, 26, 20), spacing=(6.5, 7.0, 9.0), turn=rotation(17, 0) @ rotation(-9, 2), dtype=np.uint16
)
SAGITTAL = head_image(
    shape=(28, 25, 22), spacing=(7.0, 8.0, 8.0), turn=rotation(90, 1) @ rotation(90, 2), dtype=np.uint16
)


def converted(paths, folder):
    folder.mkdir()
    return dicom.convert(paths, folder)


def assert_same_place(path, image):
    """Checks that a file and an image say the same of every voxel, by its place in mm."""
    other = nibabel.load(path)
    moved = nibabel.as_closest_canonical(other), nibabel.as_closest_canonical(image)
    matrix = np.linalg.inv(moved[1].affine) @ moved[0].affine
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in moved[0].shape])).reshape(3, -1)
    places = matrix[:3, :3] @ corners + matrix[:3, 3:]
    assert np.abs(places - corners).max() < 0.01
    np.testing.assert_array_equal(np.asarray(moved[0].dataobj), np.asarray(moved[1].dataobj))


@pytest.mark.parametrize("image", [AXIAL, OBLIQUE, SAGITTAL], ids=["axial", "oblique", "sagittal"])
def test_a_series_is_where_its_nifti_is_and_has_its_values(image, tmp_path):
    series = write_series(tmp_path / "series", image)
    np.random.default_rng(0).shuffle(series)
    result = converted(series, tmp_path / "out")
    assert (result.fault, result.warnings) == ("", ())
    assert_same_place(result.path, image)
    frames = tmp_path / "frames" / "IM1"
    write_multiframe(frames, image)
    assert_same_place(converted([frames], tmp_path / "of_frames").path, image)
    nibabel.save(image, tmp_path / "scan.nii")
    ours, theirs = (load_volume(path, 4.0) for path in (result.path, tmp_path / "scan.nii"))
    np.testing.assert_allclose(ours.data, theirs.data, atol=1e-3)
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-3)


def test_a_mosaic_is_taken_apart(tmp_path):
    write_mosaic(tmp_path / "mosaic", AXIAL)
    assert_same_place(converted([tmp_path / "mosaic"], tmp_path / "out").path, AXIAL)


@pytest.mark.parametrize("encoding", [ImplicitVRLittleEndian, RLELossless])
def test_encodings_make_no_difference(encoding, tmp_path):
    result = converted(write_series(tmp_path / "series", AXIAL, encoding), tmp_path / "out")
    assert_same_place(result.path, AXIAL)


def test_echoes_become_volumes_and_other_images_of_a_series_are_refused(tmp_path):
    uids = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    echoes = [
        path
        for echo, number in enumerate((10, 90), 1)
        for path in write_series(tmp_path / str(echo), AXIAL, EchoNumbers=echo, EchoTime=number, **uids)
    ]
    result = converted(echoes, tmp_path / "out")
    assert nibabel.load(result.path).shape == (22, 28, 25, 2)
    assert result.warnings[0].startswith("several images:")
    assert json.loads(result.path.with_suffix(".json").read_text())["SliceThickness"] == 8
    planes = [*echoes[:25], *write_series(tmp_path / "oblique", OBLIQUE, **uids)]
    assert "images on different grids" in converted(planes, tmp_path / "planes").fault


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("manufacturer", ["", "SIEMENS", "Philips", "GE MEDICAL SYSTEMS"])
@pytest.mark.parametrize("number", [1, 9, 23])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_a_gap_between_slices_is_no_scan(number, manufacturer, dtype, tmp_path):
    image = nibabel.Nifti1Image(np.asarray(AXIAL.dataobj).astype(dtype), AXIAL.affine)
    paths = write_series(
        tmp_path / "series",
        image,
        leave_out=[number],
        Manufacturer=manufacturer,
        BitsStored=12,
        PixelRepresentation=int(dtype == np.int16),
    )
    assert "not evenly spaced: some are missing" in converted(paths, tmp_path / "out").fault


@pytest.mark.parametrize("encoding", [ExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("number", [0, 9, 24])
def test_a_file_that_is_cut_off_is_said(number, encoding, tmp_path):
    paths = write_series(tmp_path / "series", AXIAL, encoding)
    cut(paths[number])
    assert "cut off" in converted(paths, tmp_path / "out").fault
    content = paths[number].read_bytes()
    paths[number].write_bytes(content[: content.index(b"\xe0\x7f\x10\x00")])
    result = converted(paths, tmp_path / "without_pixels")
    assert "missing" in result.fault or "reads only 24 of its 25" in result.fault


def test_an_unknown_encoding_is_said_and_other_failures_are_told_without_what_is_confidential(tmp_path):
    paths = write_series(tmp_path / "series", AXIAL)
    for path in paths:
        path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0", 1))
    assert converted(paths, tmp_path / "out").fault == "encoded in a way that dcm2niix does not read"
    (tmp_path / "JOHN_DOE").write_bytes(bytes(128) + b"DICM" + bytes(100))
    fault = converted([tmp_path / "JOHN_DOE"], tmp_path / "other").fault
    assert fault == "dcm2niix makes no image of it (exit status 2)"


def test_a_full_disk_is_not_a_fault_of_the_series(tmp_path, monkeypatch):
    paths = write_series(tmp_path / "series", AXIAL)
    cut(paths[3])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 100, 100))
    with pytest.raises(OSError, match="No space left"):
        converted(paths, tmp_path / "out")


@pytest.mark.parametrize("name", ["with a blank", "100%s %d", "Größe", "-o"])
def test_any_folder_will_do(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    series = write_series(Path("scans"), AXIAL, name=name + "{}")
    assert_same_place(converted(series, Path(name)).path, AXIAL)


def test_where_links_are_not_allowed_files_are_copied(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError

    paths = write_series(tmp_path / "series", AXIAL)
    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    assert_same_place(converted(paths, tmp_path / "out").path, AXIAL)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """A tree of DICOM whose folders and files bear what is confidential: three patients, a fault each."""
    folder = tmp_path_factory.mktemp("hospital") / "scans"
    paths = []
    for number in range(3):
        patient = {
            "PatientID": f"ID55{number}77",
            "PatientName": f"FAMILY{number}^GIVEN",
            "AccessionNumber": f"ACC{number}444",
            "StudyInstanceUID": generate_uid(),
        }
        place = folder / patient["PatientName"] / patient["PatientID"]
        image = head_image(
            shape=(22, 28, 25), spacing=(8.0, 8.0, 8.0), center=(4.0 * number, 0, 0), dtype=np.uint16
        )
        uid = generate_uid()
        paths += write_series(place / uid, image, SeriesInstanceUID=uid, name=f"{uid}.{{}}", **patient)
        broken = write_series(place / "broken", image, **patient)
        cut(broken[7])
        paths += broken
        paths += write_series(
            place / "loc",
            image,
            SeriesDescription=f"localizer FAMILY{number}",
            leave_out=range(3, 25),
            **patient,
        )
        (place / "no_header").mkdir()
        (place / "no_header" / f"{uid}.dcm").write_bytes(paths[0].read_bytes()[:300])
    return folder, paths


def test_a_hospitals_tree_is_prepared_without_anything_confidential(hospital, tmp_path, capfd):
    folder, paths = hospital
    output = tmp_path / "data"
    manifest = prepare_dataset(input=folder, output=output, **SMALL)
    assert len(manifest.used) == 3
    assert len({source.subject for source in manifest.used}) == 3
    assert sorted(source.skipped.split(":")[0][:24] for source in manifest.skipped) == sorted(
        3 * ["1 DICOM file(s) of one f", "a localizer, by its name", "its voxels cannot be rea"]
    )
    screen = "".join(capfd.readouterr())
    written = {path.name: path.read_bytes().lower() for path in output.rglob("*") if path.is_file()}
    written["screen"] = screen.encode().lower()
    assert screen.count("skipped ") == 9
    secrets = secrets_of(paths) | {"FAMILY", "GIVEN", "no_header"}
    assert len(secrets) > 150
    for secret in secrets:
        assert not [name for name, content in written.items() if secret.lower().encode() in content], secret


def test_of_files_that_are_given_themselves_the_folder_alone_is_kept(tmp_path):
    paths = write_series(tmp_path / "export", AXIAL, name="DOE_JANE{}.dcm")
    output = tmp_path / "data"
    manifest = prepare_dataset(input=tuple(paths), output=output, **SMALL)
    assert len(manifest.used) == 1
    assert manifest.settings["input"] == (str(tmp_path / "export"),)
    assert manifest.used[0].input == str(tmp_path / "export")
    assert not [path for path in output.rglob("*") if path.is_file() and b"DOE_JANE" in path.read_bytes()]
    assert prepare_dataset(input=tuple(paths), output=output, **SMALL) == manifest


def test_a_prepared_tree_is_known_again_until_a_file_changes(hospital, tmp_path, monkeypatch):
    folder = shutil.copytree(hospital[0], tmp_path / "scans")
    output = tmp_path / "data"
    manifest = prepare_dataset(input=folder, output=output, **SMALL)
    another = prepare_dataset(input=folder, output=tmp_path / "another", **{**SMALL, "num_workers": 2})
    subjects = [{source.subject for source in each.used} for each in (manifest, another)]
    assert not subjects[0] & subjects[1], "another data set has a salt of its own"
    monkeypatch.setattr(subprocess, "run", None)
    moved = folder.rename(tmp_path / "elsewhere")
    assert prepare_dataset(input=moved, output=output, **SMALL) == manifest
    path = max(path for path in moved.rglob("*.24"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="other scans"):
        prepare_dataset(input=moved, output=output, **SMALL)


def test_patients_are_held_out_by_their_ids(hospital, tmp_path):
    settings = {**SMALL, "holdout_subjects": ("ID55077", "ID55277")}
    manifest = prepare_dataset(input=hospital[0], output=tmp_path / "data", **settings)
    heldout = manifest.splits["heldout"].subjects
    salt = (tmp_path / "data" / "salt.txt").read_text()
    assert set(heldout) == {subject_name(salt, name) for name in settings["holdout_subjects"]}
    assert "ID55" not in (tmp_path / "data" / "manifest.json").read_text()
    assert prepare_dataset(input=hospital[0], output=tmp_path / "data", **settings) == manifest


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_dcm2niix_and_leaves_nothing(workers, hospital, tmp_path):
    slow = tmp_path / "slow"
    pid = tmp_path / "pid"
    slow.write_text(f"#!/bin/sh\necho $$ > {pid}.partial\nmv {pid}.partial {pid}\nexec sleep 60\n")
    slow.chmod(0o755)
    program = (
        "import sys\nfrom mrisynth.cli import app\n"
        "from mrisynth.data import prepare_dataset\nfrom mrisynth.data.finding import dicom\n"
        f"dicom.dcm2niix = lambda: {str(slow)!r}\nsys.argv[1:] = []\n"
        f"work = lambda _: prepare_dataset(input={str(hospital[0])!r}, output={str(tmp_path / 'data')!r}, "
        f"num_workers={workers})\napp.run(work, lambda _: None, '')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(pid.exists, process)
        process.send_signal(signal.SIGINT)  # To the program alone, as a supervisor does it.
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors.splitlines()[-1]) == (130, "interrupted")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["pid", "slow"]
        wait_for(lambda: is_gone(int(pid.read_text())), seconds=20)  # Until the system has buried it, too.
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_the_samples_are_those_of_the_nifti_way(tmp_path):
    for number in range(2):
        image = head_image(
            shape=(22, 28, 25), spacing=(8.0, 8.0, 8.0), center=(4.0 * number, 0, 0), dtype=np.uint16
        )
        write_series(tmp_path / "dicom" / str(number), image, PatientID=str(number))
        (tmp_path / "nifti").mkdir(exist_ok=True)
        nibabel.save(image, tmp_path / "nifti" / f"scan{number}.nii")
    settings = {**SMALL, "holdout": 0.0}
    samples = []
    for kind in ("dicom", "nifti"):
        prepare_dataset(input=tmp_path / kind, output=tmp_path / f"of_{kind}", **settings)
        images = np.load(tmp_path / f"of_{kind}" / "train-r0064.npy")
        samples.append(sorted(image.tobytes() for image in images))
    assert samples[0] == samples[1]


def test_thick_slices_stay_native_and_as_thick_as_their_headers_say(tmp_path):
    turn = rotation(15, 0) @ rotation(-8, 2)
    image = head_image(shape=(44, 56, 12), spacing=(4.0, 4.0, 16.0), turn=turn, dtype=np.uint16)
    write_series(tmp_path / "dicom", image, SliceThickness="12", SpacingBetweenSlices="16")
    (tmp_path / "nifti").mkdir()
    nibabel.save(image, tmp_path / "nifti" / "scan.nii")
    samples, sources = [], []
    for kind in ("dicom", "nifti"):
        made = prepare_dataset(input=tmp_path / kind, output=tmp_path / f"of_{kind}", **SMALL)
        samples.append(np.load(tmp_path / f"of_{kind}" / "train-r0064.npy").astype(int))
        sources += made.used
    assert [source.acquired for source in sources] == [True, True]
    assert [source.slice_spacing_mm for source in sources] == pytest.approx([16.0, 16.0], abs=1e-3)
    assert [source.slice_thickness_mm for source in sources] == pytest.approx([12.0, 16.0], abs=1e-3)
    np.testing.assert_allclose(sources[0].directions, sources[1].directions, atol=1e-4)
    assert np.abs(samples[0] - samples[1]).max() < 0.01 * 65535
