"""The files that say how a trial ended, and the scores they refer to."""

import json
from dataclasses import asdict

import pytest

from ldm.config import Crop
from ldm.errors import InputError
from ldm.recipes import demo
from orchestration.study.ledger import Ledger
from orchestration.study.outcomes import (
    TrialState,
    read_outcome,
    read_training,
    write_outcome,
    write_training,
)
from orchestration.study.trial_rows import trial_rows
from tests.support.small_outcomes import complete, evaluation, outcome, training


@pytest.fixture
def ledger(tmp_path):
    """A ledger with one trial that has started."""
    found = Ledger(tmp_path)
    found.add("a", "demo", demo(Crop.PANCREAS))
    return found


def write_first_layout(folder, ended, scores):
    """Write ``outcome.json`` in its first layout, with the fields of the training at the top."""
    values = asdict(ended.training) | {"scoring_s": ended.scoring_s, "evaluation": asdict(scores)}
    del values["unscored"]
    (folder / "outcome.json").write_text(json.dumps(values))


def test_outcomes_are_read_as_they_were_written(tmp_path):
    write_training(tmp_path, training(unscored=("epoch_0016",)))
    write_outcome(tmp_path, outcome(scoring_s=7.0))
    assert read_training(tmp_path) == training(unscored=("epoch_0016",))
    assert read_outcome(tmp_path) == outcome(scoring_s=7.0)


def test_a_trial_that_has_not_ended_has_no_outcome(tmp_path):
    assert read_training(tmp_path) is None
    assert read_outcome(tmp_path) is None


def test_an_outcome_holds_no_scores(tmp_path):
    complete(tmp_path, evaluation())
    assert "histogram_distance_hu" not in (tmp_path / "outcome.json").read_text()


def test_an_outcome_of_the_first_layout_is_read(tmp_path):
    write_first_layout(tmp_path, outcome(seconds=60.0, scoring_s=7.0), evaluation())
    assert read_outcome(tmp_path) == outcome(seconds=60.0, scoring_s=7.0)


def test_the_error_of_an_unknown_layout_names_the_file(tmp_path):
    (tmp_path / "outcome.json").write_text('{"state": "complete", "extra": 1}')
    with pytest.raises(InputError, match=r"outcome\.json: TrialOutcome"):
        read_outcome(tmp_path)


def test_the_scores_of_a_complete_trial_are_those_of_its_last_epoch(ledger):
    complete(ledger.folder / "a", evaluation(12.0, epoch=32))
    complete(ledger.folder / "a", evaluation(9.0, epoch=40))
    assert ledger.evaluation("a") == evaluation(9.0, epoch=40)
    assert trial_rows(ledger)[0].evaluation == evaluation(9.0, epoch=40)


def test_a_failed_trial_has_no_scores_even_if_an_earlier_epoch_has(ledger):
    complete(ledger.folder / "a", evaluation(epoch=32))
    write_outcome(ledger.folder / "a", outcome(state=TrialState.FAILED, reason="loss is nan"))
    assert ledger.evaluation("a") is None


def test_a_trial_that_has_not_ended_has_no_scores(ledger):
    assert ledger.evaluation("a") is None


def test_the_error_of_a_complete_trial_without_scores_has_a_remedy(ledger):
    write_outcome(ledger.folder / "a", outcome())
    with pytest.raises(InputError, match=r"evaluation\.json is missing .*: restore it, or remove"):
        trial_rows(ledger)
