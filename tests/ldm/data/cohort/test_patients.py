"""Which scans are of one patient, in a cohort."""

import numpy as np
import pytest
import SimpleITK

from ldm.config import Crop
from tests.support.small_dicom import PATIENT_ID, SERIES_UID, write_series
from tests.support.small_task07 import (
    AFFINE,
    entry,
    hu,
    image_of,
    read_folder,
    save,
    write_json,
)

STUDY_UID = "0020|000d"


@pytest.fixture
def cohort_of(tmp_path):
    """Return the cohort of series, given the patient and the study of each."""

    def read(*identities):
        for index, (patient, study) in enumerate(identities):
            tags = {PATIENT_ID: patient, STUDY_UID: study, SERIES_UID: f"1.2.{index}"}
            image = SimpleITK.GetImageFromArray(hu(index).T)
            write_series(tmp_path / "series" / f"s{index}", image, tags)
        return read_folder(tmp_path / "series", crop=Crop.FULL_BODY)

    return read


def used(cohort):
    return [scan.case_id for scan in cohort.scans]


def test_a_second_series_of_a_patient_is_left_out(cohort_of):
    assert used(cohort_of(("Ann", "1"), ("Ben", "2"), ("Ann", "3"))) == ["s0", "s1"]


def test_if_all_have_the_same_patient_the_study_counts_and_a_note_says_so(cohort_of):
    cohort = cohort_of(("LAB", "1"), ("LAB", "2"), ("LAB", "3"), ("LAB", "3"))
    assert used(cohort) == ["s0", "s1", "s2"]
    assert "all series have the same PatientID, so the study tells patients apart" in cohort.notes


MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("saved", "affine"),
    [
        (lambda scan: scan.astype(np.float32) + 0.2, AFFINE),
        (lambda scan: np.where(scan == scan.min(), -2048, scan), AFFINE),
        (lambda scan: scan[::-1], AFFINE @ MIRROR),
    ],
    ids=["in another data type", "with other padding", "in another orientation"],
)
def test_a_scan_that_was_saved_again_is_left_out(folder, saved, affine):
    first = hu(0).clip(-1000)
    save(image_of(folder, "a"), first)
    save(image_of(folder, "c"), saved(first), affine)
    write_json(folder, training=[entry("a"), entry("b")], test=["./imagesTr/c.nii.gz"])
    (left_out,) = read_folder(folder, crop=Crop.FULL_BODY).exclusions
    assert left_out.case_id == "c" and "a.nii.gz: take one of them out" in left_out.reason
