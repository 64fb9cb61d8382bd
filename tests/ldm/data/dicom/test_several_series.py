"""Which folders are series, and whose."""

import pytest

from ldm.data.dicom.folder import dicom_files, find_dicom_series
from ldm.data.dicom.series import patient_key
from ldm.errors import ScanError
from tests.support.small_dicom import (
    PATIENT_ID,
    SERIES_UID,
    replace_bytes,
    write_series,
    write_slice,
)


def test_dicom_files_are_known_by_their_bytes_alone(series):
    (series / "2.dcm").rename(series / "IM0002")
    (series / "1.dcm").rename(series / "DICOMDIR")
    (series / "dicomdir;1").write_bytes(bytes(128) + b"DICM" + b"UI 1.2.840.10008.1.3.10")
    (series / "notes.txt").write_text("not an image")
    (series / "deeper.dcm").mkdir()
    names = [path.name for path in dicom_files(series)]
    assert names == ["0.dcm", "3.dcm", "4.dcm", "IM0002"]


def test_folders_that_directly_hold_dicom_files_are_found_at_any_depth(tmp_path, image):
    root = tmp_path / "root"
    folders = [root, root / "b" / "deep", root / "b", root / "a"]
    (tmp_path / "outside").mkdir()
    write_slice(tmp_path / "outside" / "0", image, 0)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        write_slice(folder / "slice", image, 0)
    (root / "text").mkdir()
    (root / "text" / "readme.dcm").write_text("no slices")
    (root / "linked").symlink_to(tmp_path / "outside")
    assert find_dicom_series(root) == sorted(folders)


def test_a_root_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ScanError, match=r"none cannot be read \(No such file"):
        find_dicom_series(tmp_path / "none")


def test_two_series_of_a_patient_share_a_key_that_does_not_show_the_id(tmp_path, series, image):
    other = write_series(tmp_path / "other", image, {SERIES_UID: "1.2.4"})
    assert patient_key(series) == patient_key(other)
    # printf 'Jane 17' | sha256sum
    assert patient_key(series) == "67845aca9f815f50"


def test_two_patients_have_two_keys(tmp_path, series, image):
    other = write_series(tmp_path / "other", image, {PATIENT_ID: "Jane 18"})
    assert patient_key(series) != patient_key(other)


def test_series_without_a_patient_id_are_patients_of_their_own(tmp_path, image):
    keys = {
        patient_key(write_series(tmp_path / uid, image, {PATIENT_ID: "", SERIES_UID: uid}))
        for uid in ("1.2.3", "1.2.4")
    }
    assert len(keys) == 2


def test_a_patient_id_in_another_alphabet_has_a_key(series):
    replace_bytes(series / "0.dcm", b"Jane 17", b"J\xe4ne 17")
    assert len(patient_key(series)) == 16
