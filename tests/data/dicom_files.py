"""Series of DICOM files, written from voxels and an affine."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from tests.data.ellipsoid_scans import head_image

CONFIDENTIAL = {
    "PatientID": "ID7654321",
    "PatientName": "MUSTERMANN^ERIKA",
    "PatientBirthDate": "19640812",
    "AccessionNumber": "ACC112233",
}
"""What no output may hold; see `secrets_of` for the UIDs."""


def write_series(
    folder, image=None, encoding=ExplicitVRLittleEndian, leave_out=(), name="IM{:04d}", **elements
):
    """Writes an image as a series of one file a slice.

    Args:
        folder: Where to; made if it is not there.
        image: A NIfTI image of whole numbers; a small head if None.
        encoding: UID of the transfer syntax.
        leave_out: Numbers of slices that are not written.
        name: Of the files, by their number.
        elements: DICOM elements by keyword, in place of the usual ones.

    Returns:
        The paths of the files.
    """
    image = image or head_image(shape=(22, 28, 25), spacing=(8.0, 8.0, 8.0), dtype=np.uint16)
    folder.mkdir(parents=True, exist_ok=True)
    common = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid(), **elements}
    paths = []
    for number, dataset in enumerate(_slices(image)):
        for keyword, value in common.items():
            setattr(dataset, keyword, value)
        if number in leave_out:
            continue
        if encoding == RLELossless:
            dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = encoding
        paths.append(folder / name.format(number))
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_multiframe(path, image, **elements):
    """Writes an image as one file of an enhanced series."""
    frames = list(_slices(image))
    dataset = frames[0]
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedMRImageStorage
    dataset.NumberOfFrames = len(frames)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER", "NONE"]
    dataset.SharedFunctionalGroupsSequence = Sequence([_group(frames[0], shared=True)])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [_group(frame, number=number) for number, frame in enumerate(frames, 1)]
    )
    dataset.PixelData = b"".join(frame.PixelData for frame in frames)
    for keyword in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness"):
        delattr(dataset, keyword)
    for keyword, value in {"SeriesInstanceUID": generate_uid(), **elements}.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def write_mosaic(path, image, **elements):
    """Writes an image as one file whose frames are tiles of one picture, as Siemens does with time series."""
    dataset = next(_slices(image))
    columns, rows, slices = image.shape
    tiles = int(np.ceil(np.sqrt(slices)))
    voxels = np.asanyarray(image.dataobj)
    picture = np.zeros((tiles * rows, tiles * columns), "<u2")
    for number in range(slices):
        down, right = divmod(number, tiles)
        picture[down * rows :, right * columns :][:rows, :columns] = voxels[:, :, number].T
    orientation = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    spacing = np.array(dataset.PixelSpacing, float)[::-1]
    # The position is that of a picture as wide as the mosaic around the same center.
    margin = (tiles - 1) / 2 * np.array([columns, rows]) * spacing
    position = np.array(dataset.ImagePositionPatient, float) - margin @ orientation
    dataset.ImagePositionPatient = [f"{part:.10g}" for part in position]
    dataset.Rows, dataset.Columns = picture.shape
    dataset.PixelData = picture.tobytes()
    dataset.Manufacturer = "SIEMENS"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    dataset.AcquisitionMatrix = [rows, 0, 0, columns]
    dataset.SpacingBetweenSlices = dataset.SliceThickness
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", slices)
    for keyword, value in {"SeriesInstanceUID": generate_uid(), **elements}.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)


def write_dicomdir(path):
    """Writes a list of files as hospitals' disks have it, here an empty one."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.FileSetID = "DISK"
    dataset.DirectoryRecordSequence = Sequence([])
    dataset.save_as(path, enforce_file_format=True)


def secrets_of(paths):
    """The UIDs that files hold and, of their patients, all that is confidential."""
    secrets = set()
    for path in paths:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        secrets |= {str(element.value) for element in dataset if "InstanceUID" in element.keyword}
        secrets |= {str(dataset.get(keyword, "")) for keyword in CONFIDENTIAL}
    return {secret for secret in secrets if secret}


def _slices(image):
    """A dataset for every slice of an image along its last axis."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine  # DICOM's axes run to the left and to the back.
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    voxels = np.asanyarray(image.dataobj)
    for number in range(image.shape[2]):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.update(CONFIDENTIAL)
        dataset.Modality = "MR"
        dataset.Manufacturer = "of phantoms"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        dataset.SeriesDescription = "ax FLAIR"
        dataset.SeriesNumber = dataset.AcquisitionNumber = 1
        dataset.InstanceNumber = number + 1
        dataset.Columns, dataset.Rows = voxels.shape[:2]
        dataset.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[0]:.10g}"]
        dataset.SliceThickness = f"{spacing[2]:.10g}"
        dataset.ImageOrientationPatient = [
            f"{part:.10g}" for axis in (0, 1) for part in affine[:3, axis] / spacing[axis]
        ]
        dataset.ImagePositionPatient = [f"{part:.10g}" for part in affine[:3, 2] * number + affine[:3, 3]]
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit = 15
        dataset.PixelRepresentation = 0
        dataset.PixelData = voxels[:, :, number].T.astype("<u2").tobytes()
        dataset["PixelData"].VR = "OW"
        yield dataset


def _group(frame, number=0, shared=False):
    """The functional groups of all frames, or of one."""
    group = Dataset()
    if shared:
        measures, orientation = Dataset(), Dataset()
        measures.PixelSpacing, measures.SliceThickness = frame.PixelSpacing, frame.SliceThickness
        orientation.ImageOrientationPatient = frame.ImageOrientationPatient
        group.PixelMeasuresSequence = Sequence([measures])
        group.PlaneOrientationSequence = Sequence([orientation])
        return group
    content, position = Dataset(), Dataset()
    content.InStackPositionNumber, content.StackID = number, "1"
    content.DimensionIndexValues = [1, number]
    position.ImagePositionPatient = frame.ImagePositionPatient
    group.FrameContentSequence = Sequence([content])
    group.PlanePositionSequence = Sequence([position])
    return group
