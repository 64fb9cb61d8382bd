"""A sweep writes how it ended to the file that its caller has named."""

import pytest

from ldm.errors import InputError, NonFiniteLossError
from orchestration.study.sweep_outcome import (
    OutcomeFile,
    SweepError,
    SweepState,
    broken_off,
    concluded,
    read_sweep_outcome,
)
from tests.support.command_line import refusal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "night" / "outcome.json"


def leave(path, error):
    with pytest.raises(type(error)), OutcomeFile(str(path), str(path.parent)):
        raise error


def test_a_sweep_that_concluded_counts_its_trials_by_state(path):
    ended = concluded(["complete", "failed", "complete"], results="/study", exit_code=1)
    OutcomeFile(str(path), str(path.parent)).write(ended)
    assert read_sweep_outcome(path) == ended
    assert ended.n_trials == {"complete": 2, "failed": 1}
    assert [one.name for one in path.parent.iterdir()] == ["outcome.json"]


def test_an_error_of_the_user_is_written_with_its_parts_and_raised(path):
    leave(path, InputError("hosts must be alike", seen="2 are not", details=["a"], remedy="update"))
    ended = read_sweep_outcome(path)
    assert (ended.state, ended.exit_code) == (SweepState.REFUSED, 2)
    assert ended.error == SweepError(
        message="hosts must be alike, 2 are not:\n  a\n  update",
        rule="hosts must be alike",
        seen="2 are not",
        remedy="update",
        details=("a",),
    )


def test_an_error_without_parts_is_written_with_its_message(path):
    leave(path, NonFiniteLossError("the loss is nan"))
    assert read_sweep_outcome(path).error == SweepError(message="the loss is nan")


def test_ctrl_c_is_written_without_an_error(path):
    leave(path, KeyboardInterrupt())
    ended = read_sweep_outcome(path)
    assert (ended.state, ended.error) == (SweepState.INTERRUPTED, None)


def test_a_bug_leaves_no_outcome(path):
    leave(path, ZeroDivisionError())
    assert broken_off(ZeroDivisionError()) is None
    assert read_sweep_outcome(path) is None


def test_without_an_address_nothing_is_written(tmp_path):
    with pytest.raises(InputError), OutcomeFile(None, str(tmp_path)):
        raise InputError("no room")
    assert not list(tmp_path.iterdir())


def test_an_outcome_that_cannot_be_written_does_not_hide_the_error(tmp_path, caplog):
    (tmp_path / "file").touch()
    leave(tmp_path / "file" / "outcome.json", InputError("no room"))
    assert "outcome.json was not written" in caplog.text


def test_a_sweep_that_fails_before_it_starts_writes_why(path, tmp_path):
    options = ("--data", tmp_path / "nowhere", "--storage", tmp_path, "--outcome", path)
    told = refusal("--crop", "pancreas", *options)
    ended = read_sweep_outcome(path)
    assert ended.state is SweepState.REFUSED
    assert "nowhere" in ended.error.message
    assert ended.error.message in told
