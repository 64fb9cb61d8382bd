"""Scans of the same file name are named by the folders of their patients."""

from pathlib import Path

import pytest

from ldm.data.cohort.patient_folders import distinct_names, named_by_folders

ROOT = Path("/cohort")


def named(*places):
    found = named_by_folders([ROOT / place for place in places], ROOT)
    return {str(image.relative_to(ROOT)): names for image, names in found.items()}


def cts(*folders):
    return [f"{folder}/ct.nii.gz" for folder in folders]


@pytest.mark.parametrize(
    ("folders", "case_ids", "patients"),
    [
        (["s1", "s2"], ["s1", "s2"], ["s1", "s2"]),
        (["all/s1/day1", "all/s2/day1"], ["s1", "s2"], ["s1", "s2"]),
        (["A/p1", "A/p2", "B/p3"], ["A__p1", "A__p2", "B__p3"], ["p1", "p2", "p3"]),
        (["p1/d1", "p1/d2", "p2/d1", "p3/d1"], ["p1", "p1", "p2", "p3"], ["p1", "p1", "p2", "p3"]),
        (["imagesTr/p1", "imagesTr/p2", "imagesVal/p3"], ["p1", "p2", "p3"], ["p1", "p2", "p3"]),
        (["A/p1/d1", "A/p2/d1", "B/p3/d2"], ["A__p1", "A__p2", "B__p3"], ["p1", "p2", "p3"]),
    ],
)
def test_the_level_with_the_most_names_is_that_of_the_patients(folders, case_ids, patients):
    found = named(*cts(*folders))
    assert [found[image] for image in cts(*folders)] == list(zip(case_ids, patients, strict=True))


def test_only_names_that_clash_are_changed():
    found = named(*cts("s1", "s2", "s3"), "s3/arterial.nii.gz", "imagesTs/t1.nii.gz")
    assert found["s3/ct.nii.gz"] == ("s3", "s3")
    assert found["s3/arterial.nii.gz"] == (None, "s3")
    assert "imagesTs/t1.nii.gz" not in found


@pytest.mark.parametrize(
    "images",
    [
        ["imagesTr/x.nii.gz", "imagesTs/x.nii.gz"],  # one patient, listed twice
        ["A/1.nii.gz", "A/2.nii.gz", "A/3.nii.gz", "B/1.nii.gz"],  # files have patients' names
        ["A/1.nii.gz", "B/2.nii.gz"],
        [],
    ],
)
def test_folders_that_are_not_those_of_patients_name_nobody(images):
    assert named(*images) == {}


def test_no_two_paths_get_the_same_name():
    assert distinct_names([("a__b",), ("a", "b")]) == {("a", "b"): "a__b", ("a__b",): "a__b~2"}
