"""Files and folders that this user may not open leave the others in use."""

import pytest

from ldm.data.cohort.inspection import inspect_or_reason
from ldm.data.cohort.listing import list_cases
from tests.support.other_user import as_other_user, folder_of_another_user
from tests.support.small_task07 import entry, hu, make_folder, mask, save, write_json


@pytest.fixture
def cohort():
    with folder_of_another_user() as folder:
        yield make_folder(folder)


def listed(folder):
    list_cases(folder)  # imports what it needs, which the other user may not read
    with as_other_user():
        return list_cases(folder)


@pytest.mark.parametrize("closed", [0o000, 0o444])
@pytest.mark.parametrize("key", ["image", "label"])
def test_an_entry_in_a_closed_folder_is_left_out_alone(cohort, key, closed):
    save(cohort / "far" / "x.nii.gz", hu(9))
    (cohort / "far").chmod(closed)
    bad = entry("a") | {key: "far/x.nii.gz"}
    write_json(cohort, training=[entry("b"), bad], test=["far"] if closed == 0 else [])
    found = listed(cohort)
    assert [case.case_id for case in found.cases] == ["b"]
    assert found.bad_entries[0].place == "training[1]"
    assert "Permission denied" in str(found.bad_entries[0].error)
    assert "chmod" in found.bad_entries[0].error.remedy


def test_closed_folders_of_a_layout_are_noted(cohort):
    (cohort / "dataset.json").unlink()
    (cohort / "imagesTs").mkdir()
    (cohort / "imagesTs").chmod(0)
    found = listed(cohort)
    assert len(found.cases) == 3
    note = "folders that this user may not open, whose scans and masks are not used: 1"
    assert f"{note} (imagesTs)" in found.notes
    assert note in found.nameless_notes


def test_a_closed_folder_of_a_case_leaves_the_others(cohort):
    for name in "abc":
        save(cohort / "t" / name / "ct.nii.gz", hu(1))
        save(cohort / "t" / name / "segmentations" / "pancreas.nii.gz", mask())
    (cohort / "t" / "a").chmod(0)
    (cohort / "t" / "b" / "segmentations").chmod(0)
    found = listed(cohort / "t")
    assert [(case.case_id, case.mask is not None) for case in found.cases] == [
        ("b", False),
        ("c", True),
    ]
    assert any(
        "may not open, whose scans and masks are not used: 2 (a, b/seg" in n for n in found.notes
    )


def test_a_link_into_a_closed_folder_is_noted(cohort):
    (cohort / "closed" / "disk").mkdir(parents=True)
    (cohort / "imagesTs").symlink_to(cohort / "closed" / "disk")
    write_json(cohort, training=[entry("a"), entry("b")], test=["imagesTs/x.nii.gz"])
    (cohort / "closed").chmod(0)
    found = listed(cohort)
    assert len(found.cases) == 2 and len(found.bad_entries) == 1
    assert any("closed/disk, which this user may not open" in note for note in found.notes)


@pytest.mark.parametrize("part", ["imagesTr", "labelsTr"])
def test_for_a_file_that_this_user_may_not_read_the_remedy_is_another_than_to_copy_it(cohort, part):
    case = list_cases(cohort).cases[0]
    assert not isinstance(inspect_or_reason(case), str)
    (cohort / part / "a.nii.gz").chmod(0)
    with as_other_user():
        reason = inspect_or_reason(case)
    assert "Permission denied" in reason
    assert "chmod" in reason and "copy it again" not in reason
