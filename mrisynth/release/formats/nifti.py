"""NIfTI files in a BIDS derivatives layout."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import pathlib
import re
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

import nibabel
import numpy as np
from numpy.typing import NDArray

from mrisynth.atomic_io import folder_aside, write_json_aside, write_text_aside
from mrisynth.data.reading.planes import PLANES
from mrisynth.data.reading.slices import slice_to_nifti
from mrisynth.errors import UserError
from mrisynth.release.formats.base import ReleaseFormat
from mrisynth.release.image_geometry import CONTRAST_LABEL

SUFFIXES = ("T1w", "T2w", "PDw", "T2starw", "FLAIR", "inplaneT1", "inplaneT2", "PDT2", "angio")
"""What BIDS calls the contrasts of anatomical images."""

# A contrast may be told from others of its suffix by entities, as in ce-GAD_T1w.
_CONTRAST = re.compile(f"(?:[a-z]+-[A-Za-z0-9]+_)*(?:{'|'.join(SUFFIXES)})")
_LARGEST = 2**15 - 1
_COMPRESSION = 1
"""On noisy slices, level 9 is hardly smaller (0.3 %) and takes a fifth longer."""
_PARTICIPANTS = {
    "participant_id": {"Description": "Number of a synthetic image; it stands for no person."},
    "seed": {"Description": "The seed from which the generator draws the image again."},
}


@dataclasses.dataclass
class NiftiFiles(ReleaseFormat):
    """The files sub-synNNNNNN/anat/sub-synNNNNNN_SUFFIX.nii.gz, one slice each, with JSON beside them.

    Voxels are 16-bit integers with the slope and intercept that make them intensities: -1 and 1 are -32767
    and 32767. Where the model has several contrasts, SUFFIX is what each image's JSON says.
    """

    name = "nifti"
    summary = "files in a BIDS derivatives layout"
    option_names = ("suffix",)
    # BIDS asks these of all images of derivatives.
    image_fields: ClassVar[dict[str, Any]] = {"SkullStripped": False, "SpatialReference": "orig"}
    dataset_fields: ClassVar[dict[str, Any]] = {"BIDSVersion": "1.10.0", "DatasetType": "derivative"}
    storage = "NIfTI: 16-bit integers; the header's slope and intercept make them intensities"

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """See `ReleaseFormat`."""
        if options["suffix"] not in (None, *SUFFIXES):
            raise UserError(
                f"--suffix={options['suffix']} is not what BIDS calls an anatomical contrast; use one of "
                f"{', '.join(SUFFIXES)}"
            )

    def __post_init__(self) -> None:
        if self._suffix not in SUFFIXES and not self.geometry.several_contrasts:
            raise UserError(
                f"the model card calls the contrast '{self._suffix}', which BIDS does not know; give "
                f"--suffix, one of {', '.join(SUFFIXES)}"
            )

    @property
    def layout(self) -> str:
        """See `ReleaseFormat`."""
        suffix, words = self._suffix, "one slice each (BIDS derivatives)"
        if self.geometry.several_contrasts:
            suffix, words = "CONTRAST", f"{words}, CONTRAST the image's own, {suffix} where it is not known"
        return f"`sub-synNNNNNN/anat/sub-synNNNNNN_{suffix}.nii.gz`, {words}"

    @property
    def settings(self) -> dict[str, Any]:
        """See `ReleaseFormat`."""
        return {"suffix": self._suffix}

    def written(self) -> list[int]:
        """See `ReleaseFormat`."""
        seeds: list[int] = []
        while True:
            subject = self._subject(len(seeds) + 1)
            suffix = "*" if self.geometry.several_contrasts else self._suffix
            path = next(subject.glob(f"anat/{subject.name}_{suffix}.json"), None)
            if path is None:
                return seeds
            seeds.append(json.loads(path.read_text(encoding="utf-8"))["Seed"])

    def write(self, number: int, seed: int, image: NDArray[np.float32], sidecar: str) -> None:
        """See `ReleaseFormat`; the subject's folder is written aside and renamed."""
        subject = self._subject(number)
        if subject.exists():
            return
        suffix = self._suffix
        if self.geometry.several_contrasts:
            contrast = json.loads(sidecar)["Labels"][CONTRAST_LABEL]
            suffix = contrast if contrast and _CONTRAST.fullmatch(contrast) else suffix
        name = f"anat/{subject.name}_{suffix}"
        with folder_aside(subject) as aside:
            (aside / "anat").mkdir()
            (aside / f"{name}.nii.gz").write_bytes(self._encode(image[..., 0]))
            (aside / f"{name}.json").write_bytes(sidecar.encode())

    def finish(self, seeds: list[int], description: Mapping[str, Any]) -> None:
        """Writes participants.tsv and what its columns are."""
        rows = [f"{self._subject(number).name}\t{seed}" for number, seed in enumerate(seeds, 1)]
        write_json_aside(self.folder / "participants.json", _PARTICIPANTS)
        write_text_aside(self.folder / "participants.tsv", "\n".join(["participant_id\tseed", *rows, ""]))

    @property
    def _suffix(self) -> str:
        return self.options["suffix"] or self.geometry.suffix

    def _subject(self, number: int) -> pathlib.Path:
        return self.folder / f"sub-syn{number:06d}"

    def _encode(self, image: NDArray[np.float32]) -> bytes:
        voxels = PLANES[self.geometry.plane].to_volume(np.rint(image * _LARGEST).astype("<i2")[np.newaxis])
        # A gzip file of no name and no time, so that the same image is the same bytes.
        compressor = zlib.compressobj(_COMPRESSION, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        return compressor.compress(self._header + voxels.tobytes(order="F")) + compressor.flush()

    @functools.cached_property
    def _header(self) -> bytes:
        """All of a file but its voxels, the same for every image."""
        low, high = self.geometry.intensity_range
        image = slice_to_nifti(
            np.zeros((self.resolution, self.resolution)),
            self.geometry.plane,
            self.geometry.pixel_size_mm,
            self.geometry.slice_spacing_mm,
        )
        # There is no scanner: all images are aligned to the center of their own field of view.
        image.set_sform(image.affine, "aligned")
        image.set_qform(image.affine, "aligned")
        header = nibabel.Nifti1Header(image.header.binaryblock, endianness="<")
        header.set_data_dtype(np.int16)
        header.set_slope_inter((high - low) / (2 * _LARGEST), (low + high) / 2)
        header["cal_min"], header["cal_max"] = low, high
        header["descrip"] = self.provenance.description
        header["magic"] = header.single_magic
        # The file says all of it wherever it goes, also without the JSON beside it.
        header.extensions.append(
            nibabel.nifti1.Nifti1Extension("comment", self.provenance.statement.encode())
        )
        header["vox_offset"] = header.single_vox_offset + header.extensions.get_sizeondisk()
        file = io.BytesIO()
        header.write_to(file)
        return file.getvalue()
