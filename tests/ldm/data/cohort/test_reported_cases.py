"""Cohorts of two sound scans and an odd one, after reports of people who do this job.

The script that makes them and the real scans that it needs do not belong to the repository.
"""

import subprocess
import sys

import pytest

from ldm.config import Crop
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.reading import read_cohort
from ldm.data.cohort.scan_file import read_scan
from tests.support.repository import REAL_CT

pytestmark = pytest.mark.slow
SCRIPT = REAL_CT.parents[1] / "cases" / "make_cases.py"
# By the name of the cohort: why the odd scan is left out, or how many scans are used.
LEFT_OUT = {
    "raw_values_padding_minus_2000": "without the rescale intercept",
    "dicom_raw_values_padding_minus_2000": "without the rescale intercept",
    "windowed_minus_200_to_300": "cut to a display window",
    "sheared_sform": "is sheared by 20.0 degrees",
    "sform_and_pixdim_disagree": "has 1 x 1 x 1 mm in its sform and 2.109 x 2.109 x 2.5 mm",
}
USED = {
    "dicom_padding_63536_unsigned": 3,
    "pancreas_is_label_4": 3,
    "dicom_without_preamble": 3,
    "testing_for_test": 4,
    "test_entries_as_objects": 4,
    "an_entry_without_label": 4,
    "one_file_name_a_folder_a_patient": 2,
    "dicom_all_patients_anonymous": 3,
    "mask_off_by_a_hundredth_mm": 3,
    "four_axes_one_volume": 3,
    "affine_in_meters": 3,
}


@pytest.fixture(scope="module")
def cases(real_ct, tmp_path_factory):
    """The cohorts. Tests of each kind of fault that need no real scans lie beside this file."""
    assert real_ct == REAL_CT  # the script finds the scans beside itself
    if not SCRIPT.is_file():
        pytest.skip(f"the script that makes the reported cases is needed, {SCRIPT} is not there")
    out = tmp_path_factory.mktemp("cases") / "out"
    subprocess.run([sys.executable, SCRIPT, out], check=True, capture_output=True)
    return out


def test_each_case_is_known(cases):
    assert {path.name for path in cases.iterdir()} == set(LEFT_OUT) | set(USED)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_the_odd_scan_alone_is_left_out_with_its_reason(cases, name):
    cohort = read_cohort(list_cases(cases / name), crop=Crop.FULL_BODY)
    assert len(cohort.scans) == 2
    (exclusion,) = cohort.exclusions
    assert exclusion.case_id == "odd"
    assert LEFT_OUT[name] in exclusion.reason


@pytest.mark.parametrize("name", USED)
def test_all_scans_are_used(cases, name):
    cohort = read_cohort(list_cases(cases / name), crop=Crop.FULL_BODY)
    assert (len(cohort.scans), cohort.exclusions) == (USED[name], ())


def test_padding_is_air(cases):
    hu = read_scan(cases / "dicom_padding_63536_unsigned" / "odd").array
    assert hu.max() < 4000
    assert (hu == -1000).mean() > 0.3


def test_an_affine_in_meters_is_read_in_mm(cases):
    folder = cases / "affine_in_meters" / "imagesTr"
    odd, sound = (read_scan(folder / f"{name}.nii.gz") for name in ("odd", "sound1"))
    assert odd.spacing_mm == pytest.approx(sound.spacing_mm, rel=1e-4)


def test_vessels_do_not_widen_the_pancreas(cases):
    cohort = read_cohort(list_cases(cases / "pancreas_is_label_4"), crop=Crop.PANCREAS)
    odd, sound = (
        next(scan for scan in cohort.scans if scan.case_id == name).findings.mask_box
        for name in ("odd", "sound1")
    )
    (odd_low, odd_high), (low, high) = odd, sound  # the odd mask lost its brightest voxels
    assert all(a >= b for a, b in zip(odd_low, low, strict=True))
    assert all(a <= b for a, b in zip(odd_high, high, strict=True))


def test_patients_are_known_by_their_folders(cases):
    cohort = read_cohort(list_cases(cases / "one_file_name_a_folder_a_patient"), crop=Crop.PANCREAS)
    assert [scan.case_id for scan in cohort.scans] == ["s0001", "s0002"]


def test_it_is_said_that_studies_tell_patients_apart(cases):
    cohort = read_cohort(list_cases(cases / "dicom_all_patients_anonymous"), crop=Crop.FULL_BODY)
    note = "the PatientID is a placeholder, so the study tells patients apart"
    assert {f"patient{number}: {note}" for number in (1, 2, 3)} <= set(cohort.notes)
