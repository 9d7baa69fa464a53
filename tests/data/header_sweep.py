"""Every field of a NIfTI-1 header, set to every odd value, and what a preparation makes of each file.

    python -m tests.data.header_sweep

prints the table of docs/data.md.
"""

import collections
import pathlib
import tempfile

import nibabel
import numpy as np

from mrisynth.data.config import PreparationConfig
from mrisynth.data.finding.discovery import Scan
from mrisynth.data.preparing.worker import extract
from tests.data.ellipsoid_scans import head_image, patch, rotation, save

OUTCOMES = ("right", "warned", "refused", "silently different")

FIELDS = nibabel.Nifti1Header.template_dtype.fields

# What a header may well say there is not odd, though it may be wrong; these are the values that are.
ODD = {
    "sizeof_hdr": [0, -1, 347, 349, 540, 0x5C010000],
    "dim_info": [1, 57, 255],
    "datatype": [0, 1, 3, -1, 2, 4, 8, 16, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, 9999],
    "bitpix": [0, -1, 1, 8, 32, 64, 32767],
    "intent_code": [-1, 1, 2, 3, 5, 22, 24, 25, 1001, 1002, 1003, 1005, 1007, 1011, 2001, 2003, 2005, 32767],
    "vox_offset": [0.0, -1.0, 1.0, 348.0, 351.0, 352.5, 353.0, 356.0, 1e6, 1e30, np.nan, np.inf, -np.inf],
    "scl_slope": [0.0, -1.0, 2.0, 1e-30, 1e30, -1e30, np.nan, np.inf, -np.inf],
    "scl_inter": [1.0, -1000.0, 1e9, 1e30, -1e30, np.nan, np.inf, -np.inf],
    "xyzt_units": [*range(8), 16, 24, 64, 255],
    "qform_code": [-1, 0, 2, 3, 4, 5, 6, 32767, -32768],
    "sform_code": [-1, 0, 2, 3, 4, 5, 6, 32767, -32768],
    "magic": [b"", b"ni1", b"n+2", b"N+1", b"\xff\xff\xff\xff"],
    "slice_code": [1, 6, 7, 255],
}

PLACES = {
    "pixdim[0]": [0.0, 5.0, 1e30, np.nan, np.inf],
    "pixdim[1]": [0.0, -4.0, 1e-30, 1e30, np.nan, np.inf],
    "pixdim[2]": [0.0, -4.0, 1e-30, 1e30, np.nan, np.inf],
    "pixdim[3]": [0.0, -4.0, 1e-30, 1e30, np.nan, np.inf],
    **{f"quatern_{letter}": [2.0, -2.0, 1e30, np.nan, np.inf] for letter in "bcd"},
    **{f"qoffset_{letter}": [1e30, np.nan, np.inf] for letter in "xyz"},
    "qform_code": [-1, 0, 2, 6, 32767],
    "sform_code": [-1, 1, 2, 6, 32767],
}
"""Odd values of what places a scan, for a file that has a qform alone."""


def odd_values(kind, value):
    """Odd values of a field of which the standard says little: other than the one that is there."""
    if kind.kind == "S":
        return [b"", b"\xff" * kind.itemsize]
    if kind.kind == "f":
        return [0.0, -float(value) or -1.0, 1e-30, 1e30, np.nan, np.inf, -np.inf]
    limits = np.iinfo(kind)
    return [0, int(value) - 1, int(value) + 1, limits.min, limits.max]


def changes(path):
    """Every change to a file: field, place, type and value; never the value that is there."""
    header = nibabel.load(path).header
    for field, (dtype, offset, *_) in FIELDS.items():
        base = dtype.base
        for element in range(dtype.shape[0] if dtype.shape else 1):
            value = np.ravel(header[field])[element]
            for odd in ODD.get(field, odd_values(base, value)):
                stored = np.array(odd, object).astype(base) if base.kind == "S" else wrapped(odd, base)
                if stored.tobytes() != np.array(value, base).tobytes():
                    yield field, offset + element * base.itemsize, base, stored
    for flags in ([1, 0, 0, 0], [0, 1, 0, 0], [255] * 4):
        yield "extension", 348, np.dtype("u1"), np.array(flags, "u1")


def changes_of_place():
    """Changes to what places a scan."""
    for name, values in PLACES.items():
        field, _, element = name.rstrip("]").partition("[")
        dtype, offset, *_ = FIELDS[field]
        for value in values:
            place = offset + int(element or 0) * dtype.base.itemsize
            yield field, place, dtype.base, wrapped(value, dtype.base)


def wrapped(value, dtype):
    """A number as its field holds it; whole numbers that are too large run over."""
    if dtype.kind == "f":
        return np.array(value, dtype)
    return np.array(int(value) & (2 ** (8 * dtype.itemsize) - 1), f"u{dtype.itemsize}").view(dtype)


def outcome(scan, config, expected):
    """What becomes of a changed file, given the images of the file as it was."""
    found = extract(scan, config)
    if found.facts.get("skipped"):
        return "refused"
    if found.facts["warnings"]:
        return "warned"
    images = found.images[config.resolution].astype(int)
    # A slope rounds the intensities a little differently.
    same = images.shape == expected.shape and np.abs(images - expected).max() <= 4
    return "right" if same else "silently different"


def sweep(folder):
    """What becomes of every file: for each field, how many files had which outcome."""
    config = PreparationConfig(input=folder, output=folder / "data", voxel_size=4.0, resolution=64)
    turn = rotation(5, 0) @ rotation(-7, 1) @ rotation(9, 2)
    image = head_image((40, 50, 44), turn=turn)
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    image = nibabel.Nifti1Image(np.rint(np.abs(image.get_fdata() + noise)).astype(np.int16), image.affine)
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1)
    both = save(image, folder / "both.nii")
    image.set_sform(None, 0)
    qform = save(image, folder / "qform.nii")
    counts = collections.defaultdict(collections.Counter)
    for path, made in ((both, changes(both)), (qform, changes_of_place())):
        content = path.read_bytes()
        scan = Scan(path=path, name=path.name, input=str(folder), subject="head")
        first = extract(scan, config)
        assert first.facts["warnings"] == ()
        expected = first.images[config.resolution].astype(int)
        for field, offset, dtype, value in made:
            path.write_bytes(content)
            patch(path, offset, dtype, value)
            found = outcome(scan, config, expected)
            counts[field][found] += 1
            if found == OUTCOMES[-1]:
                print(f"{path.name}: {field} at byte {offset} = {value!r} is {found}")
    return counts


def table(counts):
    """The table of docs/data.md; fields that change nothing share a row."""
    total, idle, told = collections.Counter(), collections.Counter(), {}
    for field, found in counts.items():
        total += found
        if found.total() == found["right"] and field != "sform_code":
            idle += found
        else:
            told[f"`{field}`"] = found
    names = OUTCOMES[:3]
    rows = [f"| field | files | {' | '.join(names)} |", "|---|---|---|---|---|"]
    for field, found in {**told, "any other field": idle, "together": total}.items():
        rows.append(f"| {field} | {found.total()} | {' | '.join(str(found[name]) for name in names)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(table(sweep(pathlib.Path(name))))
