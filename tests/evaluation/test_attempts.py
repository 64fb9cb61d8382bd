"""A volume at which a process died is tried once more in a new process, then given up."""

import multiprocessing
import os
import signal

import pytest

from evaluation.attempts import AttemptLog


def die_at(path, name):
    with AttemptLog(path).attempt(name):
        os.kill(os.getpid(), signal.SIGKILL)


def kill_at(path, name):
    process = multiprocessing.get_context("fork").Process(target=die_at, args=(path, name))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture
def path(tmp_path):
    return tmp_path / "epoch" / "attempts.json"


@pytest.mark.parametrize(("n_deaths", "is_given_up"), [(0, False), (1, False), (2, True)])
def test_a_volume_that_ends_two_processes_is_given_up(path, n_deaths, is_given_up):
    for _ in range(n_deaths):
        kill_at(path, "sample_03")
    assert AttemptLog(path).is_given_up("sample_03") is is_given_up


def test_others_are_not_given_up_with_it(path):
    kill_at(path, "sample_03")
    kill_at(path, "sample_03")
    assert not AttemptLog(path).is_given_up("sample_04")


def test_a_volume_that_is_done_at_the_second_attempt_starts_again(path):
    kill_at(path, "sample_03")
    log = AttemptLog(path)
    with log.attempt("sample_03"):
        pass
    kill_at(path, "sample_03")
    assert not log.is_given_up("sample_03")


def test_an_error_is_no_death(path):
    log = AttemptLog(path)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), log.attempt("sample_03"):
            raise ValueError("broken")
    assert not log.is_given_up("sample_03")
