"""What an export lists, leaves out and says: links, hidden folders, names, and parts of series."""

import shutil

import pytest

from ldm.config import Crop
from ldm.data.cohort.listing import list_cases
from tests.support.small_dicom import PATIENT_ID, SERIES_UID, write_series
from tests.support.small_export import scan_image, write_export
from tests.support.small_task07 import read_folder

IMAGE_TYPE = "0008|0008"


@pytest.fixture
def export(tmp_path):
    return write_export(tmp_path / "export")


def names(listing):
    return [case.case_id for case in listing.cases]


def test_patients_that_are_links_to_another_disk_are_used_and_said(export, tmp_path):
    (export / "p2").rename(tmp_path / "disk")
    (export / "p2").symlink_to(tmp_path / "disk")
    listing = list_cases(export)
    assert names(listing) == ["p0__abdomen", "p1__abdomen", "p2__abdomen"]
    assert listing.notes == (f"{export / 'p2'} links to {tmp_path / 'disk'}",)
    assert len(read_folder(export, crop=Crop.FULL_BODY).scans) == 3


def test_a_link_to_nothing_is_said(export):
    shutil.rmtree(export / "p2")
    (export / "p2").symlink_to("/mnt/disk/p2")
    listing = list_cases(export)
    assert listing.notes == (f"{export / 'p2'} links to /mnt/disk/p2, which does not exist",)
    assert listing.nameless_notes == ("links that lead nowhere: 1",)


def test_a_link_that_is_not_followed_is_said(export):
    (export / "p0" / "again").symlink_to(export)
    (note,) = list_cases(export).notes
    assert note == f"links to folders that are not followed: 1 ({export / 'p0' / 'again'})"


def test_a_hidden_folder_refuses_nothing_and_is_counted(export):
    shutil.copytree(export / "p0", export / ".Trash-1000" / "p0")
    listing = list_cases(export)
    assert len(listing.cases) == 3
    assert listing.notes == listing.nameless_notes == ("hidden folders, which are not used: 1",)


def test_a_path_too_long_for_a_name_ends_with_a_hash(export):
    deep = export / "p0" / ("1.2.840." * 8) / ("1.3.12." * 9) / ("1.2.276." * 10)
    deep.parent.mkdir(parents=True)
    (export / "p0" / "abdomen").rename(deep)
    first, second, third = names(list_cases(export))
    assert first.startswith("p0__1.2.840.1.2.840") and len(first.encode()) <= 200
    assert (second, third) == ("p1__abdomen", "p2__abdomen")


def test_two_paths_with_one_name_are_two_cases(export):
    (export / "p1" / "abdomen").rename(export / "p0__abdomen")
    shutil.rmtree(export / "p1")
    listing = list_cases(export)
    assert len({*names(listing)}) == len(listing.cases) == 3


def test_a_name_that_cannot_be_used_leaves_that_series_alone_out(export):
    (export / "p1").rename(export / "p\n1")
    listing = list_cases(export)
    assert names(listing) == ["p0__abdomen", "p2__abdomen"]
    (entry,) = listing.bad_entries
    assert entry.place == "series[0]" and "rename it" in str(entry.error)


def test_a_series_that_lost_all_its_slices_is_left_out(export):
    for path in (export / "p1" / "abdomen").iterdir():
        path.write_bytes(b"")
    (exclusion,) = read_folder(export, crop=Crop.FULL_BODY).exclusions
    assert f"{export / 'p1' / 'abdomen' / '0.dcm'} is empty, one of 8 without" in exclusion.reason


def test_files_that_are_not_used_elsewhere_are_said(export):
    (export / "p0" / "seg").mkdir()
    (export / "p0" / "seg" / "seg.dcm").write_bytes(b"")
    (note,) = list_cases(export).notes
    assert note.startswith("files that are empty or link to a missing file: 1 (")


def split(export, moved=range(4)):
    other = export / "p1" / "DIR001"
    other.mkdir()
    for index in moved:
        (export / "p1" / "abdomen" / f"{index}.dcm").rename(other / f"{index}.dcm")
    return other


def test_parts_of_a_series_in_two_folders_are_no_scans(export):
    other = split(export)
    listing = list_cases(export)
    assert names(listing) == ["p0__abdomen", "p2__abdomen"]
    first, second = (str(entry.error) for entry in listing.bad_entries)
    assert f"{other} has 4 of its 8 slices, others lie in {export / 'p1' / 'abdomen'}" in first
    assert f"{export / 'p1' / 'abdomen'} has 4 of its 8 slices, others lie in {other}" in second


def test_a_part_beside_slices_of_another_series_is_seen(export):
    other = split(export, moved=range(6, 8))
    tags = {PATIENT_ID: "patient 1", SERIES_UID: "1.2.9"}
    for path in write_series(export / "next", scan_image(9), tags).iterdir():
        path.rename(other / f"0{path.name}")  # before the others by its name
    (export / "next").rmdir()
    assert names(list_cases(export)) == ["p0__abdomen", "p2__abdomen"]


def test_a_copy_of_a_series_is_no_part(export):
    shutil.copytree(export / "p1", export / "p3")
    assert len(list_cases(export).cases) == 4
    (export / "p3" / "abdomen" / "0.dcm").unlink()
    assert names(list_cases(export)) == ["p0__abdomen", "p1__abdomen", "p2__abdomen"]


def test_a_projection_takes_no_scan_of_its_patient_out(export):
    tags = {
        PATIENT_ID: "patient 1",
        SERIES_UID: "1.2.9",
        IMAGE_TYPE: "DERIVED\\SECONDARY\\AXIAL\\MIP",
    }
    write_series(export / "p1" / "1_MIP", scan_image(9), tags)
    cohort = read_folder(export, crop=Crop.FULL_BODY)
    assert [scan.case_id for scan in cohort.scans] == ["p0__abdomen", "p1__abdomen", "p2__abdomen"]
    assert [one.case_id for one in cohort.exclusions] == ["p1__1_MIP"]


def test_one_series_uid_for_all_patients_splits_nothing(tmp_path):
    for seed in range(3):
        tags = {PATIENT_ID: f"patient {seed}", SERIES_UID: "1.2.3"}
        write_series(tmp_path / f"p{seed}", scan_image(seed)[:, :, : 6 + seed], tags)
    assert len(list_cases(tmp_path).cases) == 3
