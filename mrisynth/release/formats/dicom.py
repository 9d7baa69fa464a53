"""DICOM files: MR Image Storage, as a viewer or an archive of a hospital takes it.

DICOM asks who a patient is, and how an image was acquired by which device. Here there was no patient and no
device: what may be empty is empty, and names, numbers and texts say that the image is synthetic.
"""

from __future__ import annotations

import functools
import io
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mrisynth
from mrisynth import checksums
from mrisynth.data.finding.channels import IMAGE
from mrisynth.data.reading.planes import PLANES
from mrisynth.data.reading.slices import slice_to_nifti
from mrisynth.image_io import to_gray
from mrisynth.release.channels import Channel
from mrisynth.release.formats.base import ImageFiles

_MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
_BITS = 12
_LARGEST = 2**_BITS - 1
_TO_LPS = (-1, -1, 1)
"""From a RAS affine's axes to DICOM's, which run to the left, to the back and up."""

# What DICOM requires of every MR image, though nobody knows it of one that was never acquired.
_EMPTY = (
    "AccessionNumber",
    "EchoTime",
    "EchoTrainLength",
    "Laterality",
    "MRAcquisitionType",
    "PatientBirthDate",
    "PatientPosition",
    "PatientSex",
    "PositionReferenceIndicator",
    "ReferringPhysicianName",
    "RepetitionTime",
    "ScanOptions",
    "StudyDate",
    "StudyID",
    "StudyTime",
)


class DicomFiles(ImageFiles):
    """MR Image Storage, one file an image, explicit VR little endian, with JSON beside them.

    An image is a patient and a study of its own, and its channels are series of that study in one frame of
    reference. Masks are MR images of 0 and 1, since viewers lay series over each other and converters turn
    them into volumes, and few do so with segmentation objects.

    UIDs are made of the JSON beside the image, which holds the model's checksum, the seed and all else that
    makes it this image: the same release has the same UIDs, and what differs in anything has others.
    """

    name = "dicom"
    summary = "MR images for viewers and archives"
    ending = ".dcm"
    option_names = ("rescale",)
    package = ("pydicom", "dicom")
    mask_storage = "DICOM: 1 inside, 0 outside"

    @property
    def storage(self) -> str:
        """See `ReleaseFormat`."""
        where = "in the file, too" if self._rescales else "not in the file"
        return (
            f"DICOM: gray values of {_BITS} bits; 0 and {_LARGEST} stand for the ends of IntensityRange; "
            f"times RescaleSlope plus RescaleIntercept ({where}) they are intensities"
        )

    @property
    def settings(self) -> dict[str, Any]:
        """See `ReleaseFormat`."""
        return {"rescale": self._rescales}

    def fields_of(self, channel: Channel) -> dict[str, Any]:
        """What makes intensities of stored values."""
        slope, intercept = _to_intensities(channel)
        return {"RescaleSlope": slope, "RescaleIntercept": intercept}

    def encode(
        self, seed: int, image: NDArray[np.float32], channel: Channel, sidecars: Sequence[str]
    ) -> bytes:
        """See `ImageFiles`."""
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian

        number = self.channels.index(channel.name)
        dataset = Dataset()
        for elements in (
            dict.fromkeys(_EMPTY),
            self._subject(seed, "".join(sidecars)),
            _uids(channel.name, "".join(sidecars)),
            self._series(number, channel),
            self._place,
            self._pixels(image, channel),
        ):
            for name, value in elements.items():
                setattr(dataset, name, value)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()

    @property
    def _rescales(self) -> bool:
        return bool(self.options["rescale"])

    def _subject(self, seed: int, image: str) -> dict[str, Any]:
        """Who and what is shown, by which program: nobody, and a seed. What differs is another patient."""
        number = uuid.uuid5(uuid.NAMESPACE_OID, image).hex[:12]
        return {
            "SpecificCharacterSet": "ISO_IR 192",
            "PatientName": f"Synthetic^Seed {seed}",
            "PatientID": f"SYNTHETIC-{checksums.short(self.provenance.checksum)}-{seed}-{number}",
            "StudyDescription": f"Synthetic image, seed {seed}",
            "SyntheticData": "YES",
            "ContentQualification": "RESEARCH",
            "ImageType": ["DERIVED", "SECONDARY", "OTHER"],
            "ImageComments": self.provenance.statement,
            "DerivationDescription": self.provenance.description,
            # Readers take what begins with MR for a scanner of MR Solutions.
            "Manufacturer": "Synthetic (mrisynth)",
            "ManufacturerModelName": self.provenance.name[:64],
            "SoftwareVersions": mrisynth.__version__,
        }

    def _series(self, number: int, channel: Channel) -> dict[str, Any]:
        """What a channel is, in words, and how it was acquired: not at all."""
        shown = channel.contrast or ("" if channel.name == IMAGE else channel.name)
        words = f"{shown} (synthetic)" if channel.mask is None else f"{shown}, 1 inside (synthetic)"
        return {
            "Modality": "MR",
            "SeriesNumber": number + 1,
            "InstanceNumber": 1,
            "SeriesDescription": words.strip()[:64],
            "ProtocolName": (shown or "synthetic")[:64],
            # Of the sequences that DICOM knows, the only one that says nothing untrue.
            "ScanningSequence": "RM",
            "SequenceVariant": "NONE",
        }

    @functools.cached_property
    def _place(self) -> dict[str, Any]:
        """Where the pixels lie: as in the NIfTI file of the same image."""
        geometry, axes = self.geometry, PLANES[self.geometry.plane]
        sizes = (geometry.pixel_size_mm, geometry.slice_spacing_mm)
        affine = slice_to_nifti(np.zeros((self.resolution,) * 2), geometry.plane, *sizes).affine
        # Rows and columns run down their axes of RAS, from its upper ends.
        first = np.zeros(3)
        first[[axes.row_axis, axes.column_axis]] = self.resolution - 1
        position = _TO_LPS * (affine[:3, :3] @ first + affine[:3, 3])
        across, down = (_TO_LPS * -np.eye(3)[axis] for axis in (axes.column_axis, axes.row_axis))
        return {
            "ImagePositionPatient": _decimals(*position),
            "ImageOrientationPatient": _decimals(*across, *down),
            "PixelSpacing": _decimals(geometry.pixel_size_mm, geometry.pixel_size_mm),
            "SliceThickness": _decimals(geometry.slice_thickness_mm),
            "SpacingBetweenSlices": _decimals(geometry.slice_spacing_mm),
        }

    def _pixels(self, image: NDArray[np.float32], channel: Channel) -> dict[str, Any]:
        """The stored values, and the window that shows all of them."""
        stored, (low, high) = to_gray(image, _BITS), (0, _LARGEST)
        rescaling: dict[str, Any] = {}
        if channel.mask is not None:
            stored, high = (image > 0).astype(np.uint16), 1
        elif self._rescales:
            low, high = channel.intensity_range
            slope, intercept = _decimals(*_to_intensities(channel))
            rescaling = {"RescaleSlope": slope, "RescaleIntercept": intercept, "RescaleType": "US"}
        return {
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "Rows": self.resolution,
            "Columns": self.resolution,
            "BitsAllocated": 16,
            "BitsStored": _BITS,
            "HighBit": _BITS - 1,
            "PixelRepresentation": 0,
            "BurnedInAnnotation": "NO",
            "LossyImageCompression": "00",
            # DICOM's linear window reaches from center - width / 2 to center + width / 2 - 1.
            "WindowCenter": _decimals((low + high + 1) / 2),
            "WindowWidth": _decimals(high - low + 1),
            **rescaling,
            "PixelData": stored.astype("<u2").tobytes(),
        }


def _to_intensities(channel: Channel) -> tuple[float, float]:
    """Slope and intercept that make a channel's intensities of stored values."""
    if channel.mask is not None:
        return 1.0, 0.0
    low, high = channel.intensity_range
    return (high - low) / _LARGEST, low


def _uids(channel: str, image: str) -> dict[str, str]:
    """The UIDs of one file.

    Args:
        channel: Its name.
        image: What is said of all channels of the image.
    """
    parts = {
        "SOPInstanceUID": channel,
        "SeriesInstanceUID": channel,
        "StudyInstanceUID": "",
        "FrameOfReferenceUID": "",
    }
    uids = {name: uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {part} {image}") for name, part in parts.items()}
    return {"SOPClassUID": _MR_IMAGE_STORAGE, **{name: f"2.25.{uid.int}" for name, uid in uids.items()}}


def _decimals(*values: float) -> list[str] | str:
    """Numbers as DICOM writes them, in 16 letters at most."""
    # Adding 0 makes 0 of -0.
    texts = [f"{value + 0.0:.10g}" for value in values]
    return texts if len(texts) > 1 else texts[0]
