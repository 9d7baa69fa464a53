"""NIfTI files in a BIDS derivatives layout."""

from __future__ import annotations

import json
import pathlib
import zlib
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from mrisynth.atomic_io import write_bytes_aside, write_text_aside
from mrisynth.data.slices import PLANES, slice_to_nifti
from mrisynth.release.dataset_metadata import sidecars, to_json
from mrisynth.release.image_geometry import ImageGeometry

_LARGEST = 2**15 - 1
_COMPRESSION = 1
"""On noisy slices, level 9 is hardly smaller (0.3 %) and takes a fifth longer."""
_PARTICIPANTS = {
    "participant_id": {"Description": "Number of a synthetic image; it stands for no person."},
    "seed": {"Description": "The seed from which the generator draws the image again."},
}


class NiftiFiles:
    """sub-synNNNNNN/anat/sub-synNNNNNN_SUFFIX.nii.gz, one slice each, its JSON beside it.

    Voxels are 16-bit integers with the slope and intercept that make them intensities: -1 and 1 are -32767
    and 32767.

    Args:
        folder: Of the release.
        conventions: What pixels and gray values stand for.
        resolution: Pixels along an edge.
        suffix: BIDS suffix.
        description: What the JSON says, but for the seed.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        conventions: ImageGeometry,
        resolution: int,
        suffix: str,
        description: dict[str, Any],
    ) -> None:
        self._folder = folder
        self._plane = PLANES[conventions.plane]
        self._suffix = suffix
        self._sidecar = sidecars(description)
        self._header = _header(conventions, resolution)

    def written(self) -> list[int]:
        """See `Format`."""
        seeds: list[int] = []
        while (path := self._subject(len(seeds) + 1) / self._name(len(seeds) + 1, ".json")).is_file():
            seeds.append(json.loads(path.read_text(encoding="utf-8"))["Seed"])
        return seeds

    def start(self, kept: int) -> None:
        """See `Format`."""

    def write(self, number: int, seed: int, image: NDArray[np.float32]) -> None:
        """See `Format`; the subject's folder is written aside and renamed."""
        subject = self._subject(number)
        if subject.exists():
            return
        aside = subject.with_name(f".{subject.name}.partial")
        for folder in (aside, aside / "anat"):
            folder.mkdir(exist_ok=True)
        (aside / self._name(number, ".nii.gz")).write_bytes(self._encode(image))
        (aside / self._name(number, ".json")).write_bytes(self._sidecar(seed))
        aside.rename(subject)

    def finish(self, seeds: list[int]) -> None:
        """See `Format`: participants.tsv and what its columns are."""
        rows = [f"{self._subject(number).name}\t{seed}" for number, seed in enumerate(seeds, 1)]
        write_bytes_aside(self._folder / "participants.json", to_json(_PARTICIPANTS))
        write_text_aside(self._folder / "participants.tsv", "\n".join(["participant_id\tseed", *rows, ""]))

    def _subject(self, number: int) -> pathlib.Path:
        return self._folder / f"sub-syn{number:06d}"

    def _name(self, number: int, extension: str) -> str:
        return f"anat/{self._subject(number).name}_{self._suffix}{extension}"

    def _encode(self, image: NDArray[np.float32]) -> bytes:
        voxels = self._plane.to_volume(np.rint(image * _LARGEST).astype("<i2")[np.newaxis])
        # A gzip file of no name and no time, so that the same image is the same bytes.
        compressor = zlib.compressobj(_COMPRESSION, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        return compressor.compress(self._header + voxels.tobytes(order="F")) + compressor.flush()


def _header(conventions: ImageGeometry, resolution: int) -> bytes:
    """All of a file but its voxels, the same for every image."""
    low, high = conventions.intensity_range
    image = slice_to_nifti(
        np.zeros((resolution, resolution)),
        conventions.plane,
        conventions.pixel_size_mm,
        conventions.slice_spacing_mm,
    )
    # There is no scanner: all images are aligned to the center of their own field of view.
    image.set_sform(image.affine, "aligned")
    image.set_qform(image.affine, "aligned")
    header = nibabel.Nifti1Header(image.header.binaryblock, endianness="<")
    header.set_data_dtype(np.int16)
    header.set_slope_inter((high - low) / (2 * _LARGEST), (low + high) / 2)
    header["cal_min"], header["cal_max"] = low, high
    header["descrip"] = "synthetic (mrisynth): belongs to no patient"
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    no_extensions = bytes(header.single_vox_offset - header.sizeof_hdr)
    return header.binaryblock + no_extensions
