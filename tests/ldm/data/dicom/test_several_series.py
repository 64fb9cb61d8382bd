"""Which folders are series, and whose."""

import pytest
from pydicom import dcmread

from ldm.data.dicom.folder import dicom_files
from ldm.data.dicom.identity import PLACEHOLDER_NOTE, identify_series
from tests.support.small_dicom import (
    PATIENT_ID,
    SERIES_UID,
    replace_bytes,
    write_series,
)

STUDY_UID = "0020|000d"


def test_dicom_files_are_known_by_their_bytes_alone(series):
    (series / "2.dcm").rename(series / "IM0002")
    (series / "1.dcm").rename(series / "DICOMDIR")
    (series / "dicomdir;1").write_bytes(bytes(128) + b"DICM" + b"UI 1.2.840.10008.1.3.10")
    (series / "notes.txt").write_text("not an image")
    (series / "deeper.dcm").mkdir()
    names = [path.name for path in dicom_files(series)]
    assert names == ["0.dcm", "3.dcm", "4.dcm", "IM0002"]


def test_two_series_of_a_patient_share_a_key_that_does_not_show_the_id(tmp_path, series, image):
    other = write_series(tmp_path / "other", image, {SERIES_UID: "1.2.4"})
    assert identify_series(series).patient == identify_series(other).patient
    # printf 'Jane 17' | sha256sum
    assert identify_series(series).patient == "67845aca9f815f50"


def test_two_patients_have_two_keys(tmp_path, series, image):
    other = write_series(tmp_path / "other", image, {PATIENT_ID: "Jane 18"})
    assert identify_series(series).patient != identify_series(other).patient


def test_series_without_a_patient_id_are_patients_of_their_own(tmp_path, image):
    folders = [
        write_series(tmp_path / uid, image, {PATIENT_ID: "", SERIES_UID: uid})
        for uid in ("1.2.3", "1.2.4")
    ]
    keys = {identify_series(folder).patient for folder in folders}
    assert len(keys) == 2


@pytest.mark.parametrize("placeholder", ["ANONYMOUS", "anonymized", "No ID", "000", "XXX"])
def test_a_placeholder_is_no_patient_and_the_study_counts(tmp_path, image, placeholder):
    one, other = (
        identify_series(
            write_series(tmp_path / uid, image, {PATIENT_ID: placeholder, STUDY_UID: uid})
        )
        for uid in ("1.2.3", "1.2.4")
    )
    assert one.patient == one.study != other.patient
    assert PLACEHOLDER_NOTE in one.notes((0.7, 0.9, 2.5))


def test_notes_tell_other_files_and_a_spacing_that_positions_contradict(tmp_path, image):
    folder = write_series(tmp_path / "series", image)
    first_slice = dcmread(folder / "0.dcm")
    first_slice.SpacingBetweenSlices = "1.0"
    first_slice.save_as(folder / "0.dcm")
    (folder / "report.pdf").write_bytes(b"%PDF")
    first, second = identify_series(folder).notes((0.7, 0.8, 2.5))
    assert first == "files beside the slices that are no DICOM: 1"
    assert second.startswith("SpacingBetweenSlices says 1.0 mm, by their positions")
    assert identify_series(folder).notes((0.7, 0.8, 1.05)) == (first,)


def test_a_patient_id_in_another_alphabet_has_a_key(series):
    replace_bytes(series / "0.dcm", b"Jane 17", b"J\xe4ne 17")
    assert len(identify_series(series).patient) == 16
