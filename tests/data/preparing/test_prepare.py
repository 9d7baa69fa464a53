import contextlib
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from mrisynth.data import prepare_dataset, read_manifest
from mrisynth.data.preparing.duplicates import persons
from mrisynth.data.reading.resampling import SliceMode
from mrisynth.data.storing.manifest import Split
from mrisynth.data.storing.storage import dequantize, open_images, read_labels
from mrisynth.errors import UserError
from mrisynth.locking import exclusive
from mrisynth.phantoms.mark import mark
from tests.data.ellipsoid_scans import SMALL, head_image, rotation, save, write_bids
from tests.folders import contents
from tests.programs import ROOT, begin, wait_for

PROGRAM = "tools/prepare_data.py"


def test_everything_is_written_and_described(data_dir):
    manifest = read_manifest(data_dir)
    assert manifest.resolutions == (64, 32, 16, 8, 4)
    assert manifest.pixel_size_mm(32) == 8.0
    assert len(manifest.used) == 6
    assert manifest.has_heldout
    for split in manifest.splits.values():
        assert split.slices == sum(
            source.slices
            for source in manifest.used
            if source.split in ("train", "heldout") and source.subject in split.subjects
        )
    entry = manifest.sources[2]
    assert (entry.name, entry.shape, entry.orientation) == (
        "sub-02/anat/sub-02_FLAIR.nii.gz",
        (44, 56, 50),
        "RAS",
    )
    assert entry.spacing_mm == pytest.approx((4.0, 4.0, 4.0))
    assert len(entry.checksum) == 64
    assert entry.slices + sum(entry.dropped.values()) == 50
    assert entry.participant == {"age": "42", "sex": "F"}
    assert manifest.channels == ("FLAIR",)
    assert manifest.labels == {
        "suffix": {"kind": "categorical", "values": ("FLAIR",)},
        "participant/age": {"kind": "continuous", "minimum": 40.0, "maximum": 45.0},
        "participant/sex": {"kind": "categorical", "values": ("F", "M")},
    }
    assert manifest.settings["voxel_size"] == 4.0
    assert Image.open(data_dir / "contact_sheet.png").size[0] == 12 * 64
    assert (data_dir / "histogram.png").stat().st_size > 1000
    arrays = {f"{split}-r{r:04d}.npy" for split in ("train", "heldout") for r in manifest.resolutions}
    others = {"manifest.json", "labels.tsv", "contact_sheet.png", "histogram.png"}
    assert {path.name for path in data_dir.iterdir()} == arrays | others


def test_scans_of_several_contrasts_are_samples_each_with_its_contrast_and_range(tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=4)
    for path in sorted(scans.glob("sub-*/anat/*_FLAIR.nii.gz")):
        image = nibabel.load(path)
        image = nibabel.Nifti1Image(1e4 + 3e4 * image.get_fdata(dtype=np.float32), image.affine)
        nibabel.save(image, path.with_name(path.name.replace("FLAIR", "T1w")))
    names = {"both": "FLAIR,T1w", "flair": "FLAIR", "t1w": "T1w"}
    made = {
        name: prepare_dataset(input=scans, output=tmp_path / name, suffix=suffix, **SMALL)
        for name, suffix in names.items()
    }
    assert made["both"].channels == ("image",)
    assert made["both"].labels["suffix"] == {"kind": "categorical", "values": ("FLAIR", "T1w")}
    assert made["both"].splits["heldout"].subjects == made["flair"].splits["heldout"].subjects
    suffixes = np.array(read_labels(tmp_path / "both", made["both"], "train")["suffix"])
    both = open_images(tmp_path / "both", made["both"], "train", 64)
    for name in ("flair", "t1w"):
        alone = open_images(tmp_path / name, made[name], "train", 64)
        np.testing.assert_array_equal(both[suffixes == names[name]], alone)
    ranges = {source.suffix: source.intensity_range for source in made["both"].sources[:2]}
    assert ranges["T1w"] == pytest.approx([1e4 + 3e4 * value for value in ranges["FLAIR"]], rel=1e-5)


def test_two_workers_write_the_same_bytes_as_one(bids_folder, data_dir, tmp_path):
    settings = {**SMALL, "num_workers": 2}
    prepare_dataset(input=bids_folder, output=tmp_path / "two", masks="derivatives/lesion", **settings)
    assert contents(tmp_path / "two") == contents(data_dir)


def test_a_finished_data_set_is_left_alone_and_never_mixed(bids_folder, tmp_path):
    scans = shutil.copytree(bids_folder, tmp_path / "scans")
    output = tmp_path / "data"
    first = prepare_dataset(input=scans, output=output, **SMALL)
    written = (output / "manifest.json").stat().st_mtime_ns
    assert prepare_dataset(input=scans, output=output, **SMALL) == first
    assert (output / "manifest.json").stat().st_mtime_ns == written
    with pytest.raises(UserError, match=r"--output: .* other settings \(--plane=axial\)"):
        prepare_dataset(input=scans, output=output, plane="coronal", **SMALL)
    nibabel.save(head_image(center=(5, 5, 5)), scans / "sub-03" / "anat" / "sub-03_FLAIR.nii.gz")
    with pytest.raises(UserError, match=r"--output: .* other scans"):
        prepare_dataset(input=scans, output=output, **SMALL)
    assert (output / "manifest.json").stat().st_mtime_ns == written


def test_other_voxels_beside_the_same_header_are_other_scans(tmp_path):
    scans, output = tmp_path / "scans", tmp_path / "data"
    scans.mkdir()
    for name in ("a", "b"):
        image = head_image(dtype=np.int16)
        nibabel.save(nibabel.Nifti1Pair(np.asarray(image.dataobj), image.affine), scans / f"{name}.hdr")
    first = prepare_dataset(input=scans, output=output, **SMALL)
    assert prepare_dataset(input=scans, output=output, **SMALL) == first
    header = (scans / "b.hdr").read_bytes()
    image = nibabel.load(scans / "b.hdr")
    turned = np.array(np.asanyarray(image.dataobj)[::-1])
    nibabel.save(nibabel.Nifti1Pair(turned, image.affine, image.header), scans / "b.hdr")
    assert (scans / "b.hdr").read_bytes() == header
    with pytest.raises(UserError, match=r"--output: .* was prepared from other scans \(b.hdr is"):
        prepare_dataset(input=scans, output=output, **SMALL)
    again = prepare_dataset(input=scans, output=tmp_path / "again", **SMALL)
    assert again.fingerprint != first.fingerprint


@pytest.mark.parametrize("replaced", ["mask", "age"])
def test_other_labels_of_the_same_scans_are_another_data_set(replaced, bids_folder, data_dir, tmp_path):
    scans = shutil.copytree(bids_folder, tmp_path / "scans")
    settings = {"input": scans, "masks": "derivatives/lesion", **SMALL}
    output = shutil.copytree(data_dir, tmp_path / "data")
    assert prepare_dataset(output=output, **settings) == read_manifest(data_dir)
    if replaced == "mask":
        (mask,) = (scans / "derivatives" / "lesion" / "sub-02").rglob("*.nii.gz")
        image = nibabel.load(mask)
        nibabel.save(nibabel.Nifti1Image(1 - np.asarray(image.dataobj), image.affine), mask)
    else:
        table = scans / "participants.tsv"
        table.write_text(table.read_text().replace("sub-02\t42", "sub-02\t24"))
    with pytest.raises(UserError, match=r"other scans \(sub-02/anat/sub-02_FLAIR.nii.gz is .*mask or labels"):
        prepare_dataset(output=output, **settings)
    again = prepare_dataset(output=tmp_path / "again", **settings)
    assert again.fingerprint != read_manifest(data_dir).fingerprint


def test_a_data_set_is_recognized_from_any_folder_by_any_path(bids_folder, data_dir, tmp_path, monkeypatch):
    scans = shutil.copytree(bids_folder, tmp_path / "here" / "scans")
    output = shutil.copytree(data_dir, tmp_path / "data")
    monkeypatch.chdir(tmp_path / "here")
    for place in ("scans", "./scans/", "../here/scans", str(scans)):
        for masks in ("derivatives/lesion", str(scans / "derivatives" / "lesion")):
            found = prepare_dataset(input=place, output=output, masks=masks, **SMALL)
            assert found == read_manifest(data_dir)


def test_only_a_data_set_of_nothing_but_phantoms_is_one_of_phantoms(tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    for name in ("a", "b"):
        image = head_image()
        mark(image)
        nibabel.save(image, scans / f"{name}.nii")
    assert prepare_dataset(input=scans, output=tmp_path / "phantoms", **SMALL).phantoms
    assert read_manifest(tmp_path / "phantoms").phantoms
    nibabel.save(head_image(), scans / "c.nii")
    assert not prepare_dataset(input=scans, output=tmp_path / "mixed", **SMALL).phantoms


def test_the_same_voxels_count_once_and_stand_on_one_side(tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=4)
    paths = sorted(scans.rglob("*.nii.gz"))
    nibabel.save(nibabel.load(paths[0]), paths[0].with_suffix(""))
    voxels = nibabel.load(paths[1])
    for path in paths[2:]:
        nibabel.save(voxels, path)
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", **{**SMALL, "holdout": 0.5})
    (skipped,) = manifest.skipped
    assert skipped.skipped == "its voxels are those of sub-00/anat/sub-00_FLAIR.nii"
    assert len(manifest.used) == 4
    assert {split.subjects for split in manifest.splits.values()} == {
        ("sub-00",),
        ("sub-01", "sub-02", "sub-03"),
    }
    assert [len(source.warnings) for source in manifest.used] == [0, 1, 1, 1]
    assert sum(split.slices for split in manifest.splits.values()) == sum(
        source.slices for source in manifest.used
    )


def test_a_scan_that_was_rescaled_or_mirrored_stands_on_the_side_of_its_original(tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=5)
    paths = sorted(scans.rglob("*.nii.gz"))
    image = nibabel.load(paths[0])
    voxels = image.get_fdata(dtype=np.float32)
    for path, copy in zip(paths[1:4], (voxels * 1.7, np.rint(voxels / 3), voxels[::-1]), strict=True):
        nibabel.save(nibabel.Nifti1Image(copy.astype(np.float32), image.affine), path)
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", **{**SMALL, "holdout": 0.4})
    assert {split.subjects for split in manifest.splits.values()} == {
        ("sub-00", "sub-01", "sub-02", "sub-03"),
        ("sub-04",),
    }
    kinds = [[warning.split(":")[0] for warning in source.warnings] for source in manifest.used]
    assert kinds == [["same image"]] * 4 + [[]]
    assert len(set(persons(read_manifest(tmp_path / "data")).values())) == 2


def test_an_empty_folder_is_filled_and_missing_ones_are_made(bids_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for output in (tmp_path / "empty", tmp_path / "not" / "there" / "data"):
        prepare_dataset(input=bids_folder, output=output, **SMALL)
        assert (output / "manifest.json").is_file()
        assert list(output.parent.glob(".*")) == []


def test_a_preparation_that_fails_leaves_no_folder_that_it_made(tmp_path):
    (tmp_path / "a.nii").write_text("no image")
    with pytest.raises(UserError, match="--input"):
        prepare_dataset(input=tmp_path / "a.nii", output=tmp_path / "not" / "there" / "data", **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii"]


def test_a_folder_of_something_else_is_not_written_into(bids_folder, tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose this")
    with pytest.raises(UserError, match=r"--output: .* is no prepared data set"):
        prepare_dataset(input=bids_folder, output=tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_faulty_files_are_skipped_with_their_reason_and_named(tmp_path, capsys):
    scans = write_bids(tmp_path / "scans", subjects=3)
    damaged = scans / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:2000])
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", **SMALL)
    (skipped,) = manifest.skipped
    assert skipped.name == "sub-01/anat/sub-01_FLAIR.nii.gz"
    assert "cut off" in skipped.skipped
    assert "skipped sub-01/anat/sub-01_FLAIR.nii.gz: its voxels cannot be read" in capsys.readouterr().err
    assert len(manifest.used) == 2
    with pytest.raises(UserError, match=r"--strict: sub-01/anat/sub-01_FLAIR.nii.gz"):
        prepare_dataset(input=scans, output=tmp_path / "strict", strict=True, **SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "scans"]


def test_without_any_usable_file_nothing_is_written(tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "a.nii").write_text("no image")
    with pytest.raises(UserError, match="--input: none of the 1 files can be used"):
        prepare_dataset(input=scans, output=tmp_path / "data", **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["scans"]


def test_a_broken_mask_costs_the_label_and_not_the_scan(tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=2, masks=True)
    (mask,) = (scans / "derivatives" / "lesion" / "sub-01").rglob("*.nii.gz")
    mask.write_text("no image")
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", masks="derivatives/lesion", **SMALL)
    assert len(manifest.used) == 2
    assert "mask" in manifest.sources[1].warnings[0]


def heldout_of(manifest):
    return set(manifest.splits["heldout"].subjects)


def test_a_subjects_sessions_stay_on_one_side_and_the_share_is_kept(tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=5, sessions=("1", "2"))
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", **SMALL)
    sides = {}
    for source in manifest.used:
        sides.setdefault(source.subject, set()).add(source.split)
    assert all(len(side) == 1 for side in sides.values())
    ordered = sorted(sides, key=lambda subject: hashlib.sha256(subject.encode()).digest())
    assert heldout_of(manifest) == set(ordered[:2])


def test_the_share_is_of_subjects_with_usable_scans(tmp_path):
    """Whoever would be held out first has no usable scan here."""
    scans = write_bids(tmp_path / "scans", subjects=5)
    ordered = sorted(
        (path.name for path in scans.glob("sub-*")),
        key=lambda subject: hashlib.sha256(subject.encode()).digest(),
    )
    for subject in ordered[:2]:
        next((scans / subject).rglob("*.nii.gz")).write_bytes(b"no image")
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", **SMALL)
    assert heldout_of(manifest) == {ordered[2]}


def test_subjects_held_out_by_name(tmp_path, bids_folder):
    manifest = prepare_dataset(
        input=bids_folder, output=tmp_path / "data", **SMALL, holdout_subjects=("02", "sub-03")
    )
    assert heldout_of(manifest) == {"sub-02", "sub-03"}
    assert manifest.settings["holdout_subjects"] == ("sub-02", "sub-03")
    again = prepare_dataset(
        input=bids_folder, output=tmp_path / "data", **SMALL, holdout_subjects=("sub-03", "sub-02")
    )
    assert again == manifest
    with pytest.raises(UserError, match="no subject nobody"):
        prepare_dataset(input=bids_folder, output=tmp_path / "x", **SMALL, holdout_subjects=("nobody",))


@pytest.mark.parametrize("named", ["00", "01"])
def test_held_out_by_name_leaves_both_sides_or_is_refused(named, tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=2)
    next((scans / "sub-00").rglob("*.nii.gz")).write_bytes(b"no image")
    which = "none of the subjects" if named == "00" else "every subject"
    with pytest.raises(UserError, match=f"--holdout_subjects names {which} whose scans can be used"):
        prepare_dataset(input=scans, output=tmp_path / "data", **SMALL, holdout_subjects=(named,))
    assert not (tmp_path / "data" / "manifest.json").exists()


def test_a_share_of_every_stratum(tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=8)
    rows = [f"sub-{number:02d}\t{'AB'[number % 2]}" for number in range(8)]
    (scans / "participants.tsv").write_text("\n".join(["participant_id\tsite", *rows]) + "\n")
    settings = {**SMALL, "holdout": 0.25}
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", stratify=("site",), **settings)
    chosen = [source for source in manifest.used if source.split == "heldout"]
    assert sorted(source.participant["site"] for source in chosen) == ["A", "B"]
    with pytest.raises(UserError, match=r"--stratify=age is no column .*; its columns are site"):
        prepare_dataset(input=scans, output=tmp_path / "x", stratify=("age",), **settings)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_leaves_nothing_complete_and_the_next_one_starts_clean(workers, tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=12)
    output = tmp_path / "data"
    aside = output / ".unfinished"
    flags = ["--voxel_size=2", "--resolution=64", "--holdout=0.4", f"--num_workers={workers}"]
    process = begin(PROGRAM, f"--input={scans}", f"--output={output}", *flags)
    wait_for(lambda: aside.is_dir() and list(aside.glob("all-*")), process, seconds=60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert aside.is_dir()
    assert not (output / "manifest.json").exists()
    settings = {**SMALL, "voxel_size": 2.0}
    prepare_dataset(input=scans, output=output, **settings)
    prepare_dataset(input=scans, output=tmp_path / "undisturbed", **settings)
    assert not aside.exists()
    assert contents(output) == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize(("seconds", "times"), [(0.1, 1), (1.5, 2)])
def test_ctrl_c_ends_workers_at_once_and_leaves_nothing(seconds, times, tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=6)
    work = f"prepare_dataset(input={str(scans)!r}, output={str(tmp_path / 'data')!r}, suffix='FLAIR', "
    # Half a minute for every scan.
    work += "voxel_size=0.5, interpolation='cubic', num_workers=2)"
    program = (
        "from mrisynth.cli import app; from mrisynth.data import prepare_dataset; import sys\n"
        f"sys.argv[1:] = []; app.run(lambda _: {work}, lambda _: None, '')"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    # A terminal sends Ctrl-C to the workers, too.
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        wait_for(lambda: (tmp_path / "data" / ".unfinished").exists(), process)
        time.sleep(seconds)
        interrupted = time.monotonic()
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.1)
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - interrupted < 5
        assert process.returncode == 130
        assert errors.endswith("interrupted\n")
        assert "Traceback" not in errors
        assert [path.name for path in tmp_path.iterdir()] == ["scans"]
        wait_for(lambda: not _is_anyone_left(process.pid), seconds=2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _is_anyone_left(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_full_disk_ends_in_one_sentence_and_leaves_nothing(bids_folder, tmp_path):
    program = (
        "import resource, sys\n"
        "from mrisynth.data import prepare_dataset\n"
        "from mrisynth.errors import UserError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        f"    prepare_dataset(input={str(bids_folder)!r}, output={str(tmp_path / 'data')!r}, **{SMALL!r})\n"
        "except UserError as error:\n"
        "    sys.exit(f'said: {error}')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "said: --output=" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_two_runs_do_not_write_the_same_output_at_once(bids_folder, tmp_path):
    output = tmp_path / "data"
    aside = output / ".unfinished"
    aside.mkdir(parents=True)
    (aside / "half.npy").write_text("the other's")
    with (
        exclusive(output / ".lock"),
        pytest.raises(UserError, match=r"--output: another process is writing to .*data just now"),
    ):
        prepare_dataset(input=bids_folder, output=output, **SMALL)
    assert (aside / "half.npy").exists()
    prepare_dataset(input=bids_folder, output=output, **SMALL)
    assert not any(path.name.startswith(".") for path in output.iterdir())


def test_an_output_that_cannot_be_renamed_is_written_inside(bids_folder, data_dir, tmp_path, monkeypatch):
    """A mounted volume, with what its file system keeps in it, or a folder in one that is not writable."""
    output = tmp_path / "volume"
    (output / "lost+found").mkdir(parents=True)
    replace = os.replace

    def refuse_volume(source, target, **settings):
        if output in (Path(source), Path(target)):
            raise OSError(errno.EBUSY, "Device or resource busy")
        replace(source, target, **settings)

    monkeypatch.setattr(os, "replace", refuse_volume)
    monkeypatch.setattr(os, "rename", refuse_volume)
    mkdir = os.mkdir

    def refuse_beside(path, *arguments, **settings):
        if Path(path).parent == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied")
        mkdir(path, *arguments, **settings)

    monkeypatch.setattr(os, "mkdir", refuse_beside)
    prepare_dataset(input=bids_folder, output=output, masks="derivatives/lesion", **SMALL)
    (output / "lost+found").rmdir()
    assert contents(output) == contents(data_dir)
    assert [path.name for path in tmp_path.iterdir()] == ["volume"]


def test_what_a_run_killed_while_it_moved_its_files_has_left_is_cleared(bids_folder, data_dir, tmp_path):
    output = tmp_path / "data"
    (output / ".unfinished").mkdir(parents=True)
    for name in ("train-r0128.npy", "labels.tsv"):
        (output / name).write_text("of other settings")
    prepare_dataset(input=bids_folder, output=output, masks="derivatives/lesion", **SMALL)
    assert contents(output) == contents(data_dir)


def test_other_systems_prepare_the_same_bytes(bids_folder, data_dir, tmp_path, monkeypatch, capsys):
    # Windows has no fcntl, macOS and Windows do not say which cores are ours, and some file systems know
    # no locks at all.
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", None)
    monkeypatch.delattr(os, "sched_getaffinity")
    settings = {**SMALL, "num_workers": 0}
    prepare_dataset(input=bids_folder, output=tmp_path / "data", masks="derivatives/lesion", **settings)
    assert contents(tmp_path / "data") == contents(data_dir)
    assert "knows no locks" in capsys.readouterr().err


def thick_and_thin(folder):
    """Heads in oblique slices of 10 mm, in such of 12 mm with gaps, and in cubes that are askew."""
    folder.mkdir()
    for name, size, slices in (("p1", 10.0, 20), ("p2", 12.0, 17), ("p3", 4.0, 50)):
        turn = rotation(10, 0) @ rotation(-6, 1)
        save(head_image((44, 56, slices), (4.0, 4.0, size), turn), folder / f"{name}.nii.gz")
    (folder / "p2.json").write_text('{"SliceThickness": 10.0}')
    return folder


def test_a_data_set_may_mix_native_and_isotropic_scans(tmp_path):
    scans = thick_and_thin(tmp_path / "scans")
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", **SMALL)
    thick, gapped, _ = manifest.sources
    assert [source.acquired for source in manifest.sources] == [True, True, False]
    lengths = [(source.slice_spacing_mm, source.slice_thickness_mm) for source in manifest.sources]
    assert lengths == [pytest.approx(pair, abs=1e-5) for pair in ((10, 10), (12, 10), (4, 4))]
    acquired = [source.slices + sum(source.dropped.values()) for source in (thick, gapped)]
    assert acquired == [20, 17]
    assert not any(source.warnings for source in manifest.sources)
    everything = prepare_dataset(input=scans, output=tmp_path / "all", slices="native", **SMALL)
    assert all(source.acquired for source in everything.sources)
    nothing = prepare_dataset(input=scans, output=tmp_path / "none", slices="isotropic", **SMALL)
    assert not any(source.acquired for source in nothing.sources)
    assert [source.slice_thickness_mm for source in nothing.sources] == [4.0] * 3


def test_a_native_slice_goes_back_to_where_it_was_acquired(tmp_path):
    scans = thick_and_thin(tmp_path / "scans")
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", intensity_percentiles=(0, 100), **SMALL)
    for split in Split:
        images = dequantize(open_images(tmp_path / "data", manifest, split, 64))[..., 0]
        labels = read_labels(tmp_path / "data", manifest, split)
        for row in range(0, len(images), 5):
            number = int(labels["source"][row])
            source = manifest.sources[number]
            if not source.acquired:
                continue
            nifti = manifest.slice_to_nifti(images[row], number, float(labels["position_mm"][row]))
            spacing = (4.0, 4.0, source.slice_spacing_mm)
            assert nifti.header.get_zooms() == pytest.approx(spacing, abs=1e-4)
            scan = nibabel.load(scans / source.name)
            to_scan = np.linalg.inv(scan.affine) @ nifti.affine
            # It lies in the plane of the acquired slice of its index, pixel by pixel.
            corners = np.array([[0, 0, 0, 1], [63, 0, 0, 1], [0, 63, 0, 1], [63, 63, 0, 1]]).T
            index = int(labels["slice_index"][row])
            np.testing.assert_allclose((to_scan @ corners)[2], index, atol=0.01)
            np.testing.assert_allclose(to_scan[:2, :2], np.eye(2), atol=1e-3)
            shift = np.rint(to_scan[:2, 3]).astype(int)
            np.testing.assert_allclose(to_scan[:2, 3], shift, atol=0.01)
            # Where the scan reaches, every pixel is the voxel that it stands on.
            ranges = [np.arange(64) + start for start in shift]
            inside = [(r >= 0) & (r < size) for r, size in zip(ranges, scan.shape, strict=False)]
            voxels = scan.get_fdata()[np.ix_(ranges[0][inside[0]], ranges[1][inside[1]], [index])]
            pixels = nifti.get_fdata()[np.ix_(*inside, [True])]
            assert pixels.size > 1000
            np.testing.assert_allclose(pixels, voxels, atol=0.1)


def test_where_nothing_is_interpolated_native_and_isotropic_are_the_same(bids_folder, tmp_path):
    made = {}
    for mode in SliceMode:
        output = tmp_path / mode
        prepare_dataset(input=bids_folder, output=output, slices=mode, masks="derivatives/lesion", **SMALL)
        made[mode] = contents(output)
    for mode in (SliceMode.NATIVE, SliceMode.ISOTROPIC):
        differing = {name for name in made[mode] if made[mode][name] != made[SliceMode.AUTO][name]}
        assert differing == {"manifest.json"}
        assert read_manifest(tmp_path / mode).sources == read_manifest(tmp_path / SliceMode.AUTO).sources


@pytest.mark.parametrize("mode", ["auto", "native"])
def test_slices_across_thick_ones_are_warned_about(mode, tmp_path):
    scans = thick_and_thin(tmp_path / "scans")
    settings = {**SMALL, "plane": "sagittal", "slices": mode}
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", **settings)
    warned = [source.warnings for source in manifest.sources]
    assert [len(warnings) for warnings in warned] == [1, 1, 0]
    assert warned[0][0].startswith("thick slices: the scan was acquired in axial ones 10 mm apart")
    # What a file beside the scan says of thickness is not said of slices across.
    assert manifest.sources[1].slice_thickness_mm == pytest.approx(4.0)


def test_a_data_set_of_before_native_slices_is_left_alone_as_an_isotropic_one(bids_folder, tmp_path):
    settings = {**SMALL, "input": bids_folder, "output": tmp_path / "data"}
    prepare_dataset(**settings, slices="isotropic")
    path = tmp_path / "data" / "manifest.json"
    document = json.loads(path.read_text())
    del document["settings"]["slices"]
    document["slice_spacing_mm"] = 4.0
    for source in document["sources"]:
        for name in ("acquired", "slice_spacing_mm", "slice_thickness_mm", "directions"):
            del source[name]
    path.write_text(json.dumps(document))
    manifest = prepare_dataset(**settings, slices="isotropic")
    assert {(source.slice_spacing_mm, source.slice_thickness_mm) for source in manifest.used} == {(4.0, 4.0)}
    assert manifest.slice_to_nifti(np.zeros((64, 64)), 0, 8.0).header.get_zooms() == (4.0, 4.0, 4.0)
    with pytest.raises(UserError, match="--slices=isotropic"):
        prepare_dataset(**settings, slices="native")
