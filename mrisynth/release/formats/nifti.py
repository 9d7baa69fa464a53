"""NIfTI files in a BIDS derivatives layout."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import pathlib
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import nibabel
import numpy as np
from numpy.typing import NDArray

from mrisynth.atomic_io import folder_aside, write_json_aside, write_text_aside
from mrisynth.data.finding.channels import IMAGE
from mrisynth.data.reading.planes import PLANES
from mrisynth.data.reading.slices import slice_to_nifti
from mrisynth.errors import UserError
from mrisynth.release.channels import Channel, channels_of
from mrisynth.release.formats.base import ReleaseFormat
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.release.label_table import SEED, LabelTable
from mrisynth.sampling.provenance import Provenance

SUFFIXES = ("T1w", "T2w", "PDw", "T2starw", "FLAIR", "inplaneT1", "inplaneT2", "PDT2", "angio")
"""What BIDS calls the contrasts of anatomical images."""

# Entities, in the order that names have them in, tell a contrast from others of its suffix: ce-GAD_T1w.
_ENTITIES = ("acq", "ce", "rec", "run", "echo", "part", "chunk")
_CONTRAST = re.compile(f"(?:(?:{'|'.join(_ENTITIES)})-[A-Za-z0-9]+_)*(?:{'|'.join(SUFFIXES)})")
_LARGEST = 2**15 - 1
_COMPRESSION = 1
"""On noisy slices, level 9 is hardly smaller (0.3 %) and takes a fifth longer."""
_PARTICIPANT = "Number of a synthetic image; it stands for no person."
_DESCRIPTION = "dataset_description.json"


@dataclasses.dataclass
class NiftiFiles(ReleaseFormat):
    """The files sub-synNNNNNN/anat/sub-synNNNNNN_SUFFIX.nii.gz, one slice each, with JSON beside them.

    Voxels are 16-bit integers with the slope and intercept that make them intensities: -1 and 1 are -32767
    and 32767. Where the model has several contrasts, SUFFIX is what each image's JSON says; where it has
    several channels, there is a file for each. Masks are 8-bit integers in a data set of their own,
    derivatives/MASK, and written first: where the subject's own folder is, all of it is there.
    """

    name = "nifti"
    summary = "files in a BIDS derivatives layout"
    option_names = ("suffix",)
    dataset_fields: ClassVar[dict[str, Any]] = {"BIDSVersion": "1.10.0", "DatasetType": "derivative"}
    storage = "NIfTI: 16-bit integers; the header's slope and intercept make them intensities"
    mask_storage = "NIfTI: 8-bit integers, 1 inside and 0 outside"
    labels_place = "the JSON beside every image, those of persons in participants.tsv, too"

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """See `ReleaseFormat`."""
        suffix = options["suffix"]
        if suffix is not None and not all(map(_CONTRAST.fullmatch, suffix.split(","))):
            raise UserError(
                f"--suffix={suffix} is not what BIDS calls an anatomical contrast; use one of "
                f"{', '.join(SUFFIXES)}"
            )

    def __post_init__(self) -> None:
        self._header = functools.cache(
            functools.partial(file_head, self.geometry, self.provenance, self.resolution)
        )
        images = [channel for channel in self._described if channel.mask is None]
        wanted, given = [channel.name for channel in images], self.options["suffix"]
        if given is None:
            names = [self._own_name(channel, wanted) for channel in images]
        else:
            names = given.split(",")
            if len(names) != len(images) or len(set(names)) < len(names):
                raise UserError(
                    f"--suffix={given} must name each channel of images once: {', '.join(wanted)}"
                )
        self._given = dict(zip(wanted, names, strict=True))

    @property
    def layout(self) -> str:
        """See `ReleaseFormat`."""
        name, words = "sub-synNNNNNN", "one slice each (BIDS derivatives)"
        paths = []
        for channel in self._described:
            place, ending = self._place(channel)
            if self._is_any_contrast(channel):
                words = f"{words}, CONTRAST the image's own, {ending} where it is not known"
                ending = "CONTRAST"
            path = place / name / "anat" / f"{name}_{ending}.nii.gz"
            paths.append(f"`{path.relative_to(self.folder).as_posix()}`")
        return f"{', '.join(paths)}, {words}"

    @property
    def settings(self) -> dict[str, Any]:
        """See `ReleaseFormat`."""
        return {"suffix": ",".join(self._given.values())}

    def fields_of(self, channel: Channel) -> dict[str, Any]:
        """What BIDS asks of images, or of masks, of derivatives."""
        if channel.mask is None:
            return {"SkullStripped": False, "SpatialReference": "orig"}
        return {"Type": "Lesion" if channel.mask == "lesion" else "ROI", "SpatialReference": "orig"}

    def written(self) -> list[int]:
        """See `ReleaseFormat`."""
        seeds: list[int] = []
        while True:
            subject = _subject(len(seeds) + 1)
            path = next((self.folder / subject).glob("anat/*.json"), None)
            if path is None:
                return seeds
            seeds.append(json.loads(path.read_text(encoding="utf-8"))["Seed"])

    def write(
        self,
        number: int,
        seed: int,
        image: NDArray[np.float32],
        channels: Sequence[Channel],
        sidecars: Sequence[str],
    ) -> None:
        """See `ReleaseFormat`; every folder of the subject is written aside and renamed."""
        subject = _subject(number)
        if (self.folder / subject).exists():
            return
        files: dict[pathlib.Path, dict[str, bytes]] = {}
        for index, channel in enumerate(channels):
            if channel.there:
                place, ending = self._place(channel)
                content = self._encode(image[..., index], channel)
                there = files.setdefault(place / subject, {})
                there[f"{subject}_{ending}.nii.gz"] = content
                there[f"{subject}_{ending}.json"] = sidecars[index].encode()
        for folder in sorted(files, key=lambda folder: folder.parent == self.folder):
            if not folder.exists():
                with folder_aside(folder) as aside:
                    (aside / "anat").mkdir()
                    for name, content in files[folder].items():
                        (aside / "anat" / name).write_bytes(content)

    def finish(self, seeds: list[int], labels: LabelTable, description: Mapping[str, Any]) -> None:
        """Writes participants.tsv and what its columns are, and what the data sets of masks are."""
        subjects = [_subject(number) for number in range(1, len(seeds) + 1)]
        columns = {"participant_id": (_PARTICIPANT, subjects), "seed": (SEED, seeds)}
        labels.of_participants().write(self.folder, "participants", columns)
        whole = json.loads((self.folder / _DESCRIPTION).read_text(encoding="utf-8"))
        for channel in self._described:
            if channel.mask is not None:
                place, _ = self._place(channel)
                said = {"Name": f"{channel.name} of: {whole['Name']}", "SourceDatasets": [{"URL": "../.."}]}
                write_json_aside(place / _DESCRIPTION, {**whole, **said})
                text = f"# {said['Name']}\n\n{self.provenance.statement}\n\nThe images are in ../..\n"
                write_text_aside(place / "README.md", text)

    @property
    def _described(self) -> tuple[Channel, ...]:
        """The channels, as far as all images have the same."""
        return channels_of(self.channels, {}, self.geometry)

    def _own_name(self, channel: Channel, wanted: Sequence[str]) -> str:
        """What images of a channel are called if the user does not say it."""
        if self._is_any_contrast(channel):
            return self.geometry.suffix
        if not _CONTRAST.fullmatch(channel.contrast):
            each = f"one of {', '.join(SUFFIXES)}"
            if len(wanted) > 1:
                each = f"a contrast for each of {', '.join(wanted)}, as in --suffix=FLAIR,T1w"
            raise UserError(
                f"the model card calls the contrast '{channel.contrast}', which BIDS does not know; give "
                f"--suffix, {each}"
            )
        return channel.contrast

    def _is_any_contrast(self, channel: Channel) -> bool:
        return channel.name == IMAGE and self.geometry.several_contrasts

    def _place(self, channel: Channel) -> tuple[pathlib.Path, str]:
        """The data set that a channel's files are in, and what their names end in."""
        if channel.mask is not None:
            label = re.sub("[^A-Za-z0-9]", "", channel.mask) or "roi"
            return self.folder / "derivatives" / label, f"label-{label}_mask"
        name = self._given[channel.name]
        if self._is_any_contrast(channel) and _CONTRAST.fullmatch(channel.contrast):
            name = channel.contrast
        *entities, suffix = name.split("_")
        return self.folder, "_".join([*sorted(entities, key=_place_of_entity), suffix])

    def _encode(self, image: NDArray[np.float32], channel: Channel) -> bytes:
        if channel.mask is None:
            stored = np.rint(image * _LARGEST).astype("<i2")
        else:
            stored = channel.values(image).astype(np.uint8)
        voxels = PLANES[self.geometry.plane].to_volume(stored[np.newaxis])
        # A gzip file of no name and no time, so that the same image is the same bytes.
        compressor = zlib.compressobj(_COMPRESSION, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        header = self._header(channel.intensity_range, stored.dtype.type)
        return compressor.compress(header + voxels.tobytes(order="F")) + compressor.flush()


def file_head(
    geometry: ImageGeometry,
    provenance: Provenance,
    resolution: int,
    intensity_range: tuple[float, float],
    dtype: type[np.integer],
) -> bytes:
    """All of a file but its voxels, the same for every image of a contrast.

    Args:
        geometry: What pixels stand for.
        provenance: Where the images come from.
        resolution: Pixels along an edge.
        intensity_range: The intensities that -1 and 1 stand for.
        dtype: Of the voxels: int16, whose slope and intercept make them intensities, or uint8 of a mask.
    """
    low, high = intensity_range
    image = slice_to_nifti(
        np.zeros((resolution, resolution)),
        geometry.plane,
        geometry.pixel_size_mm,
        geometry.slice_spacing_mm,
    )
    # There is no scanner: all images are aligned to the center of their own field of view.
    image.set_sform(image.affine, "aligned")
    image.set_qform(image.affine, "aligned")
    header = nibabel.Nifti1Header(image.header.binaryblock, endianness="<")
    header.set_data_dtype(dtype)
    if dtype is np.int16:
        header.set_slope_inter((high - low) / (2 * _LARGEST), (low + high) / 2)
    header["cal_min"], header["cal_max"] = low, high
    header["descrip"] = provenance.description
    header["magic"] = header.single_magic
    # The file says all of it wherever it goes, also without the JSON beside it.
    header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", provenance.statement.encode()))
    header["vox_offset"] = header.single_vox_offset + header.extensions.get_sizeondisk()
    file = io.BytesIO()
    header.write_to(file)
    return file.getvalue()


def _subject(number: int) -> str:
    return f"sub-syn{number:06d}"


def _place_of_entity(entity: str) -> int:
    return _ENTITIES.index(entity.partition("-")[0])
