"""Turns the DICOM files of a series into NIfTI, with dcm2niix."""

from __future__ import annotations

import errno
import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel

ADVICE = 'DICOM, which needs dcm2niix: pip install "mrisynth[dicom]"'
"""What is said where dcm2niix is not there."""

# -ba leaves confidential data out of the JSON file, -g keeps the defaults in the user's home out of it.
_OPTIONS = ("-g", "i", "-d", "9", "-b", "y", "-ba", "y", "-z", "n", "-f", "scan")
_CONVERTED = re.compile(r"^Convert (\d+) DICOM", re.MULTILINE)
_RESPACED, _REGIONS = "_Eq", "_ROI"
_NOT_MAGNITUDE = ("_ph", "_real", "_imaginary")
_UNEVEN = "its slices are not evenly spaced: some are missing, or a file is cut off"
_REASONS = {
    "not large enough": "its voxels cannot be read: a DICOM file is cut off",
    "Interslice distance varies": _UNEVEN,
    "Unsupported transfer syntax": "encoded in a way that dcm2niix does not read",
}


class Converted(NamedTuple):
    """What became of a series.

    Attributes:
        path: The NIfTI file; None if there is none.
        fault: Why not; else empty.
        warnings: What a user should know about it.
    """

    path: Path | None
    fault: str = ""
    warnings: tuple[str, ...] = ()


@functools.cache
def dcm2niix() -> str | None:
    """The program: of the Python package of that name, else on the path; None if there is none."""
    package = importlib.util.find_spec("dcm2niix")
    folder = Path(package.origin).parent if package and package.origin else None
    return shutil.which("dcm2niix", path=folder) or shutil.which("dcm2niix")


def convert(files: Sequence[Path], folder: Path) -> Converted:
    """Converts the files of one series to one NIfTI file.

    Several images on one grid, as of several echoes, become the volumes of a time axis.

    Args:
        files: All files of the series, and no others.
        folder: An empty folder that the result is written to; the caller removes it.

    Returns:
        The NIfTI file, or the reason why there is none.

    Raises:
        OSError: The folder cannot be written, or the disk is full.
    """
    folder = folder.resolve()  # A name may begin as an option does.
    gathered, results = folder / "files", folder / "results"
    gathered.mkdir()
    results.mkdir()
    for number, file in enumerate(files):
        _link(file.resolve(), gathered / f"{number:06d}")
    done = subprocess.run(
        [dcm2niix(), *_OPTIONS, "-o", str(results), str(gathered)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = done.stdout.decode(errors="replace")
    images = sorted(path for path in results.glob("*.nii") if _REGIONS not in path.name)
    read = sum(map(int, _CONVERTED.findall(said)))
    if done.returncode or not images:
        if shutil.disk_usage(folder).free < sum(file.stat().st_size for file in files):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return Converted(None, _reason(said, done.returncode))
    if any(_RESPACED in image.name for image in images):
        return Converted(None, _UNEVEN)
    if read != len(files):
        return Converted(None, f"dcm2niix reads only {read} of its {len(files)} files")
    return _single([image for image in images if not _is_part(image)], results)


def _link(file: Path, link: Path) -> None:
    """Makes a file appear under another name."""
    try:
        link.symlink_to(file)
    except OSError:  # Windows lets few users make links.
        shutil.copyfile(file, link)


def _is_part(image: Path) -> bool:
    return any(part in image.stem for part in _NOT_MAGNITUDE)


def _reason(said: str, status: int) -> str:
    """Why there is no image, in words that hold nothing confidential; what dcm2niix says may."""
    for words, reason in _REASONS.items():
        if words in said:
            return reason
    return f"dcm2niix makes no image of it (exit status {status})"


def _single(images: list[Path], folder: Path) -> Converted:
    """One file of all images of a series."""
    if not images:
        return Converted(None, "phase, real or imaginary parts only")
    if len(images) == 1:
        return Converted(images[0])
    try:
        merged = nibabel.concat_images([str(image) for image in images])
    except ValueError:
        return Converted(None, f"its series holds {len(images)} images on different grids")
    path = folder / "merged.nii"
    nibabel.save(merged, path)
    images[0].with_suffix(".json").rename(path.with_suffix(".json"))
    return Converted(
        path,
        warnings=(f"several images: the series holds {len(images)}; --volume_index takes another one",),
    )
