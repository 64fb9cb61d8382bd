"""What a file in a DICOM folder is, by its first bytes, and what lost files do to a series."""

import pydicom.uid
import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from ldm.data.dicom.file_kind import FileKind, kind_of_file, may_be_image
from ldm.data.dicom.folder import dicom_files
from ldm.data.dicom.identity import identify_series
from ldm.data.dicom.series import read_dicom_series
from ldm.errors import ScanError


def write_object(path, sop_class):
    """Write a DICOM file of a class that holds no image."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.PatientID, dataset.SeriesInstanceUID = "Jane 17", generate_uid()
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


@pytest.mark.parametrize(
    ("keyword", "may_be"),
    [
        ("CTImageStorage", True),
        ("EnhancedCTImageStorage", True),
        ("SecondaryCaptureImageStorage", True),
        ("MRImageStorage", True),
        ("RTImageStorage", True),
        ("RTStructureSetStorage", False),
        ("RTPlanStorage", False),
        ("RTDoseStorage", False),
        ("XRayRadiationDoseSRStorage", False),
        ("KeyObjectSelectionDocumentStorage", False),
        ("GrayscaleSoftcopyPresentationStateStorage", False),
        ("EncapsulatedPDFStorage", False),
        ("RawDataStorage", False),
        ("SpatialRegistrationStorage", False),
    ],
)
def test_the_class_of_a_file_says_whether_it_may_hold_an_image(keyword, may_be):
    uid = getattr(pydicom.uid, keyword)
    assert may_be_image(uid.encode()) == may_be
    assert ("Image Storage" in UID(uid).name) == may_be


def test_a_class_that_is_not_of_the_standard_may_hold_an_image():
    assert may_be_image(b"1.3.12.2.1107.5.9.1") and may_be_image(b"")


def test_objects_without_an_image_beside_slices_are_set_aside_and_named(series):
    expected = read_dicom_series(series)
    for uid in ("1.2.840.10008.5.1.4.1.1.481.3", "1.2.840.10008.5.1.4.1.1.88.67"):
        assert kind_of_file(write_object(series / f"{uid}.dcm", uid)) is FileKind.OBJECT
    assert (read_dicom_series(series).array == expected.array).all()
    (note,) = identify_series(series).notes((0.7, 0.9, 2.5))
    assert note == (
        "DICOM files beside the slices that hold no image, which are not used: 2 (RT Structure Set"
        " Storage, X-Ray Radiation Dose SR Storage)"
    )


def dead_link(path):
    path.unlink(missing_ok=True)
    path.symlink_to(path.parent / ".git" / "annex" / path.name)


@pytest.mark.parametrize("name", ["3.dcm", "IM0003"])
@pytest.mark.parametrize(
    ("lose", "how"),
    [
        (dead_link, "links to a file that is missing, one of 2 without: mount its disk"),
        (lambda path: path.write_bytes(b""), "is empty, one of 2 without: copy it again"),
        (lambda path: path.write_bytes(bytes(900)), "is empty, one of 2 without: copy it again"),
        (
            lambda path: path.write_bytes(b"/annex/objects/MD5-s12--00\n"),
            "is empty, one of 2 without: copy it again",
        ),
    ],
    ids=["dead link", "no bytes", "zeros", "stand-in of git-annex"],
)
def test_slices_that_lost_their_content_refuse_the_series(series, name, lose, how):
    (series / "3.dcm").rename(series / name)
    lose(series / name)
    lose(series / "4.dcm")
    first = min(name, "4.dcm")
    with pytest.raises(ScanError, match=rf"each file .* has its content, {series}/{first} {how}"):
        dicom_files(series)


def test_hidden_files_without_content_do_no_harm(series):
    (series / ".done").write_bytes(b"")
    (series / ".#0.dcm").symlink_to("user@host.17")
    assert len(dicom_files(series)) == 5
