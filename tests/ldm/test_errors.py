"""Errors keep the parts of their message, even in another process."""

import pickle

import pytest

from ldm.errors import InputError, ScanError, require


def test_the_message_names_place_rule_value_and_remedy():
    error = InputError("epochs must be positive", seen="got -1", place="a.json", remedy="edit it")
    assert str(error) == "a.json: epochs must be positive, got -1: edit it"
    assert error.finding == "a.json: epochs must be positive, got -1"


@pytest.mark.parametrize("remedy", ["", "remove it"])
def test_parts_that_are_not_given_leave_no_punctuation(remedy):
    assert str(InputError("no scans", remedy=remedy)) == "no scans" + (remedy and ": remove it")


def test_an_error_keeps_its_parts_in_another_process():
    error = ScanError("needs 96 mm", seen="has 71 mm", place="scan a", remedy="exclude it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is ScanError
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


def test_a_broken_requirement_says_the_value():
    with pytest.raises(InputError, match=r"^n must be 1 or more, got 0$"):
        require(False, "n must be 1 or more", 0)


def test_several_findings_are_shown_on_lines_of_their_own():
    error = InputError("hosts must be alike", details=["Ray is 2.59 on b"], remedy="update b")
    assert str(error) == "hosts must be alike:\n  Ray is 2.59 on b\n  update b"
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)
