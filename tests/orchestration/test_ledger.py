"""The trials of a study on disk: their numbers, and which of them have ended or wait."""

import dataclasses
import shutil

import pytest

from ldm.config import Crop
from ldm.errors import InputError
from ldm.recipes import demo
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import TrialState, write_outcome
from tests.support.small_outcomes import outcome

BASE = demo(Crop.PANCREAS)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "trials")


def test_trials_are_numbered_in_the_order_in_which_they_start(ledger):
    ledger.add("b", "demo", BASE)
    ledger.add("a", "search", BASE)
    found = [(one.number, one.trial_id, one.name) for one in ledger.records()]
    assert found == [(1, "b", "demo"), (2, "a", "search")]


def test_no_number_is_given_twice_after_the_folder_of_a_trial_was_removed(ledger):
    for trial_id in "abc":
        ledger.add(trial_id, "demo", BASE)
    shutil.rmtree(ledger.folder / "b")
    assert ledger.add("d", "search", BASE).number == 4


def test_a_trial_that_has_ended_without_a_record_is_named(ledger):
    ledger.add("a", "demo", BASE)
    write_outcome(ledger.folder / "a", outcome())
    (ledger.folder / "a" / "trial.json").unlink()
    with pytest.raises(InputError, match=r"a/trial\.json is missing .* restore it, or remove the"):
        ledger.records()


def test_a_trial_that_starts_again_keeps_its_number_name_and_configuration(ledger):
    first = ledger.add("a", "demo", BASE)
    ledger.add("b", "search", BASE)
    assert ledger.add("a", "another", dataclasses.replace(BASE, recipe="another")) == first
    assert first.config == BASE
    assert len(ledger.records()) == 2


def test_a_trial_is_paused_until_it_has_an_outcome(ledger):
    ledger.add("a", "demo", BASE)
    assert not ledger.is_paused("a")
    ledger.pause("a")
    assert ledger.is_paused("a")
    assert (ledger.folder / "a" / "paused").is_file()  # a later version looks for it there
    write_outcome(ledger.folder / "a", outcome())
    assert not ledger.is_paused("a")


def test_a_trial_that_never_started_is_not_paused(ledger):
    ledger.pause("a")
    assert not ledger.is_paused("a")
    assert not (ledger.folder / "a").exists()


def test_trials_that_are_complete_or_failed_have_ended(ledger):
    for trial_id in ("complete", "failed", "running"):
        ledger.add(trial_id, "demo", BASE)
    write_outcome(ledger.folder / "complete", outcome())
    write_outcome(ledger.folder / "failed", outcome(state=TrialState.FAILED))
    assert ledger.n_ended() == 2
