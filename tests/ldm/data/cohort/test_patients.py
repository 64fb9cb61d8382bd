"""Which DICOM series are of one patient, in a cohort."""

import pytest
import SimpleITK

from ldm.config import Crop
from tests.support.small_dicom import PATIENT_ID, SERIES_UID, write_series
from tests.support.small_task07 import hu, read_folder

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
