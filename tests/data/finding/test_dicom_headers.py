import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from mrisynth.data.finding.dicom_headers import DamagedHeaderError, read_header
from tests.data.dicom_files import CONFIDENTIAL, write_series


@pytest.fixture
def one_slice(tmp_path):
    """Writes a file of one slice."""

    def write(**elements):
        return write_series(tmp_path, leave_out=range(1, 25), **elements)[0]

    return write


def misleading_sequence():
    """A series inside of a sequence, which is not the file's own."""
    inner = Dataset()
    inner.SeriesInstanceUID = "1.2.3"
    inner.ReferencedSeriesSequence = Sequence([])
    outer = Dataset()
    outer.PatientID = "somebody else"
    outer.ReferencedSeriesSequence = Sequence([inner])
    return Sequence([outer, outer])


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize(
    "encoding",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless],
)
def test_headers_are_read_as_pydicom_reads_them(encoding, has_length, one_slice):
    sequence = misleading_sequence()
    path = one_slice(encoding=encoding, ImagesInAcquisition=25, ReferencedStudySequence=sequence)
    dataset = pydicom.dcmread(path)
    dataset["ReferencedStudySequence"].is_undefined_length = not has_length
    for item in dataset.ReferencedStudySequence:
        item.is_undefined_length_sequence_item = not has_length
    dataset.save_as(path)
    header = read_header(path)
    assert header.transfer_syntax == encoding
    assert header.image_type == ("ORIGINAL", "PRIMARY", "M")
    assert header.instance == dataset.SOPInstanceUID
    assert (header.study, header.series) == (dataset.StudyInstanceUID, dataset.SeriesInstanceUID)
    assert (header.modality, header.description) == ("MR", "ax FLAIR")
    assert header.patient == CONFIDENTIAL["PatientID"]
    assert CONFIDENTIAL["AccessionNumber"] in header.person
    assert (header.number, header.expected) == (1, 25)
    assert header.rows > 0


def test_big_endian_and_files_that_are_not_encoded_as_they_say(one_slice):
    path = one_slice()
    dataset = pydicom.dcmread(path)
    dataset.PixelData = b""
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(path, dataset, little_endian=False, implicit_vr=False, force_encoding=True)
    header = read_header(path)
    assert (header.series, header.rows > 0) == (dataset.SeriesInstanceUID, True)
    path = one_slice(encoding=ImplicitVRLittleEndian)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1"[:18], 1))
    assert read_header(path).modality == "MR"


@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 100"])
def test_letters_of_other_languages_are_read(charset, one_slice):
    path = one_slice(SpecificCharacterSet=charset, SeriesDescription="Schädel FLAIR", PatientName="Größe^Jo")
    header = read_header(path)
    assert (header.description, header.person[0]) == ("Schädel FLAIR", "Größe^Jo")


def test_a_long_header_is_read_to_its_end(one_slice):
    path = one_slice(
        ImageComments="word " * 1000, OtherPatientIDsSequence=Sequence(list(misleading_sequence()) * 500)
    )
    assert path.stat().st_size > 50_000
    assert read_header(path).description == "ax FLAIR"
    assert read_header(path).rows > 0


def test_what_has_no_mark_is_no_dicom(tmp_path, one_slice):
    path = one_slice()
    content = path.read_bytes()
    for other in (b"", b"no image", bytes(1000), content[132:], content[:130]):
        path.write_bytes(other)
        assert read_header(path) is None


def test_a_header_that_is_cut_off_anywhere_is_damaged_or_no_image(one_slice):
    path = one_slice()
    content = path.read_bytes()
    pixels = content.index(b"\x28\x00\x10\x00")
    outcomes = set()
    for end in range(140, pixels, 7):
        path.write_bytes(content[:end])
        try:
            outcomes.add(read_header(path).rows)
        except DamagedHeaderError:
            outcomes.add("damaged")
    assert outcomes <= {"damaged", 0}
    assert "damaged" in outcomes


def test_values_that_are_empty_or_no_numbers_count_as_not_said(one_slice):
    path = one_slice()
    content = path.read_bytes()
    rows = content.index(b"\x28\x00\x10\x00US\x02\x00")
    path.write_bytes(content[: rows + 6] + b"\0\0" + content[rows + 10 :])
    assert read_header(path).rows == 0
    number = content.index(b"\x20\x00\x13\x00IS\x02\x00")
    for value in ("²".encode(), "٣".encode(), b"9" * 5000, b"-1", b""):
        size = len(value).to_bytes(2, "little")
        path.write_bytes(content[: number + 6] + size + value + content[number + 10 :])
        assert read_header(path).number == 0
