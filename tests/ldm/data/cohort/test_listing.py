"""What a folder lists: dataset.json, or what a hospital exports."""

import pytest

from ldm.config import Crop
from ldm.data.cohort.listing import list_cases
from ldm.errors import InputError
from tests.support.small_dicom import PATIENT_ID, SERIES_UID, write_series
from tests.support.small_export import scan_image, write_export
from tests.support.small_task07 import SHAPE, entry, read_folder, write_json


@pytest.fixture
def export(tmp_path):
    return write_export(tmp_path / "export")


def test_each_series_of_an_export_is_a_case_without_a_mask(export):
    cases = list_cases(export).cases
    assert [case.case_id for case in cases] == ["p0__abdomen", "p1__abdomen", "p2__abdomen"]
    assert {case.mask for case in cases} == {None}


def test_a_folder_that_is_one_series_is_one_case(export):
    (case,) = list_cases(export / "p0" / "abdomen").cases
    assert case.case_id == "abdomen"


def test_an_export_is_a_cohort_for_the_crops_that_need_no_mask(export):
    cohort = read_folder(export, crop=Crop.FULL_BODY)
    assert len(cohort.scans) == 3
    assert cohort.scans[0].findings.shape_voxels == SHAPE
    assert cohort.scans[0].findings.spacing_mm == pytest.approx((3.0, 3.0, 5.0))


def test_two_series_of_one_patient_are_used_once(export):
    tags = {PATIENT_ID: "patient 0", SERIES_UID: "1.2.9"}
    write_series(export / "p0" / "follow-up", scan_image(9), tags)
    cohort = read_folder(export, crop=Crop.FULL_BODY)
    (exclusion,) = cohort.exclusions
    assert exclusion.case_id == "p0__follow-up"
    assert "a patient may be listed once" in exclusion.reason


def test_two_series_in_one_folder_leave_that_case_out(export):
    folder = export / "p0" / "abdomen"
    tags = {PATIENT_ID: "patient 0", SERIES_UID: "1.2.9"}
    for path in write_series(export / "other", scan_image(9), tags).iterdir():
        path.rename(folder / f"other-{path.name}")
    cohort = read_folder(export, crop=Crop.FULL_BODY)
    assert [one.case_id for one in cohort.exclusions] == ["p0__abdomen"]
    assert "a folder holds one series" in cohort.exclusions[0].reason


def test_a_missing_slice_leaves_that_case_out(export):
    (export / "p1" / "abdomen" / "3.dcm").unlink()
    cohort = read_folder(export, crop=Crop.FULL_BODY)
    assert [one.case_id for one in cohort.exclusions] == ["p1__abdomen"]
    assert "evenly spaced" in cohort.exclusions[0].reason


def test_dataset_json_may_list_a_series_beside_files(folder):
    write_series(folder / "imagesTr" / "d", scan_image(7))
    write_json(folder, training=[entry(c) for c in "abc"], test=["imagesTr/d"])
    cohort = read_folder(folder, crop=Crop.FULL_BODY)
    assert [scan.case_id for scan in cohort.scans] == ["a", "b", "c", "d"]


def test_a_folder_of_no_known_layout_names_those_that_are_known(tmp_path):
    (tmp_path / "notes.txt").write_text("no scans")
    with pytest.raises(InputError, match="none of these") as raised:
        list_cases(tmp_path)
    known = ("Decathlon", "nnU-Net", "TotalSegmentator", "AbdomenAtlas", "PanTS", "BTCV")
    for name in (*known, "PANORAMA", "DICOM"):
        assert name in str(raised.value)
