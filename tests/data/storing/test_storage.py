import csv

import numpy as np
import pytest

from mrisynth.data.storing.manifest import Manifest, Source, Split, SplitInfo
from mrisynth.data.storing.storage import SampleWriter, dequantize, open_images, quantize, read_labels
from mrisynth.errors import UserError

ROW = {"subject": "sub-1", "suffix": "FLAIR", "slice_index": 17, "position_mm": -4.5}


def source(split):
    return Source(name="", input="", subject="sub-1", split=split, participant={"age": ""})


def manifest_of(train, heldout=0, channels=("image",), sides=(Split.TRAIN,)):
    splits = {Split.TRAIN: SplitInfo(("sub-1",), train), Split.HELDOUT: SplitInfo((), heldout)}
    return Manifest(
        version="",
        settings={},
        channels=channels,
        plane="axial",
        orientation="",
        resolutions=(8,),
        field_of_view_mm=256.0,
        splits=splits,
        labels={},
        sources=tuple(map(source, sides)),
    )


def random_pixels(count, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 65536, (count, 8, 8, channels), np.uint16)


def write(folder, pixels, rows=None):
    with SampleWriter(folder, (8,)) as writer:
        writer.append(0, {8: pixels}, rows or [ROW] * len(pixels))
        writer.finish(manifest_of(len(pixels), channels=("image",) * pixels.shape[-1]))


def test_quantizing_by_hand():
    values = np.array([-1.0, 0.0, 1.0, -1.0 + 2 / 65535, 1.5, -2.0], np.float32)
    assert quantize(values).tolist() == [0, 32768, 65535, 1, 65535, 0]
    assert quantize(values).dtype == np.dtype("<u2")


def test_sixteen_bits_come_back_within_half_a_step():
    values = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(dequantize(quantize(values)), values, atol=1.01 / 65535)
    every = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(quantize(dequantize(every)), every)


@pytest.mark.parametrize("count", [1, 1234])
def test_what_is_appended_bit_by_bit_is_one_plain_array(count, tmp_path):
    pixels = random_pixels(count, channels=2)
    starts = range(0, count, 100)
    with SampleWriter(tmp_path, (8,)) as writer:
        for number, start in enumerate(starts):
            part = pixels[start : start + 100]
            writer.append(number, {8: part}, [ROW] * len(part))
        manifest = manifest_of(count, channels=("FLAIR", "T1w"), sides=[Split.TRAIN] * len(starts))
        writer.finish(manifest)
    plain = np.load(tmp_path / "train-r0008.npy")
    assert plain.dtype == np.uint16
    np.testing.assert_array_equal(plain, pixels)
    mapped = open_images(tmp_path, manifest, Split.TRAIN, 8)
    assert isinstance(mapped.base, np.memmap)
    order = np.random.default_rng(1).permutation(count)
    np.testing.assert_array_equal(mapped[order], pixels[order])
    assert np.load(tmp_path / "heldout-r0008.npy").shape == (0, 8, 8, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("heldout-r0008.npy", "labels.tsv", "train-r0008.npy"),
    ]


def test_samples_go_to_the_side_of_their_source_in_order(tmp_path):
    counts = {0: 3, 2: 1, 3: 2, 4: 5}
    sides = [Split.HELDOUT, "", Split.TRAIN, Split.HELDOUT, Split.TRAIN]
    parts = {number: random_pixels(count, seed=number) for number, count in counts.items()}
    with SampleWriter(tmp_path, (8, 4)) as writer:
        for number, part in parts.items():
            writer.append(number, {8: part, 4: part[:, :4, :4]}, [ROW] * len(part))
        writer.finish(manifest_of(6, 5, sides=sides))
    for name, edge in (("0008", 8), ("0004", 4)):
        train, heldout = (np.load(tmp_path / f"{split}-r{name}.npy") for split in Split)
        expected = {split: [p for n, p in parts.items() if sides[n] == split] for split in Split}
        np.testing.assert_array_equal(train, np.concatenate(expected[Split.TRAIN])[:, :edge, :edge])
        np.testing.assert_array_equal(heldout, np.concatenate(expected[Split.HELDOUT])[:, :edge, :edge])


def test_the_table_holds_a_row_a_sample_and_says_what_is_unknown(tmp_path):
    manifest = manifest_of(1, 2, sides=[Split.HELDOUT, "", Split.TRAIN, Split.HELDOUT])
    with SampleWriter(tmp_path, (8,)) as writer:
        for number, fraction in ((0, 0.5), (2, None), (3, 0.1)):
            row = ROW | {"participant/age": "51"}
            row |= {"lesion_fraction": fraction} if fraction is not None else {}
            writer.append(number, {8: random_pixels(1)}, [row])
        writer.finish(manifest)
    with (tmp_path / "labels.tsv").open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[0] == [
        *("split", "subject", "session", "suffix", "source", "slice_index", "position_mm"),
        *("lesion_fraction", "participant/age"),
    ]
    assert rows[2] == ["train", "sub-1", "n/a", "FLAIR", "2", "17", "-4.5", "n/a", "51"]
    heldout = read_labels(tmp_path, manifest, Split.HELDOUT)
    assert heldout["lesion_fraction"] == ["0.5", "0.1"]
    assert heldout["source"] == ["0", "3"]
    assert read_labels(tmp_path, manifest, Split.TRAIN)["position_mm"] == ["-4.5"]


@pytest.mark.parametrize("name", ["with\ttab", 'a "quote', "two\nlines", "Müller", "not-utf-8-\udcff"])
def test_odd_names_come_back(name, tmp_path):
    write(tmp_path, random_pixels(1), [ROW | {"subject": name, "participant/age": name}])
    columns = read_labels(tmp_path, manifest_of(1), Split.TRAIN)
    assert (columns["subject"], columns["participant/age"]) == ([name], [name])


def test_what_was_not_finished_is_refused(tmp_path):
    with SampleWriter(tmp_path, (8,)) as writer:
        writer.append(0, {8: random_pixels(3)}, [ROW] * 3)
    with pytest.raises(UserError, match="train-r0008.npy is missing"):
        open_images(tmp_path, manifest_of(3), Split.TRAIN, 8)


def test_missing_cut_off_and_other_files_are_noticed(tmp_path):
    write(tmp_path, random_pixels(3))
    path = tmp_path / "train-r0008.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"train-r0008.npy has 511 bytes instead of 512"):
        open_images(tmp_path, manifest_of(3), Split.TRAIN, 8)
    np.save(path, random_pixels(3).astype(np.int16))
    with pytest.raises(UserError, match=r"train-r0008.npy holds int16 .* instead of uint16 \(3, 8, 8, 1\)"):
        open_images(tmp_path, manifest_of(3), Split.TRAIN, 8)
    path.unlink()
    with pytest.raises(UserError, match=r"train-r0008.npy is missing"):
        open_images(tmp_path, manifest_of(3), Split.TRAIN, 8)


def test_a_table_of_another_length_is_refused(tmp_path):
    write(tmp_path, random_pixels(3))
    with pytest.raises(UserError, match="incomplete .*3 rows of train, not 4.*; prepare it again"):
        read_labels(tmp_path, manifest_of(4), Split.TRAIN)


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="gone"):
        SampleWriter(tmp_path / "gone", (8,))
