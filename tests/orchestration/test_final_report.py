"""The last report of a trial where nothing has to be scored; with Ray: test_final_scores."""

import pytest

from orchestration.study.evaluations import epoch_folder, write_evaluation
from orchestration.study.outcomes import (
    Cause,
    TrialState,
    read_outcome,
    write_outcome,
    write_training,
)
from orchestration.trials.final_scores import conclude, final_report
from tests.support.small_outcomes import complete, evaluation, outcome, training

NOBODY = "no evaluator is asked"


COMPLETE = {"state": "complete", "reason": "", "cause": ""}


def test_a_complete_trial_reports_its_state_and_what_the_search_is_told():
    objectives = evaluation(12.0, epoch=8).objectives()
    told = objectives.report()
    del told["eval_epoch"]  # has been reported with the epoch itself
    assert final_report(training(), objectives) == COMPLETE | told


def test_a_failed_trial_reports_its_reason_alone(tmp_path):
    failed = training(state=TrialState.FAILED, reason="loss is nan", cause=Cause.NON_FINITE)
    write_training(tmp_path, failed)
    assert list(conclude(tmp_path, evaluator=NOBODY)) == [
        {"state": "failed", "reason": "loss is nan", "cause": "non-finite loss"}
    ]
    assert read_outcome(tmp_path).training == failed
    assert 0 <= read_outcome(tmp_path).scoring_s < 60


@pytest.mark.parametrize(("best_epoch", "distance_hu"), [(None, 14.0), (32, 14.0), (8, 9.0)])
def test_a_trial_that_ended_before_reports_the_scores_that_stand_for_it(
    tmp_path, best_epoch, distance_hu
):
    write_training(tmp_path, training(epoch=32))
    for scores in (evaluation(9.0, epoch=8), evaluation(14.0, epoch=32)):
        complete(tmp_path, scores)
    write_outcome(tmp_path, outcome(epoch=32, best_epoch=best_epoch))
    (told,) = conclude(tmp_path, evaluator=NOBODY)
    assert told["histogram_distance_hu"] == distance_hu
    assert "eval_epoch" not in told


def test_a_trial_that_failed_before_reports_so_again(tmp_path):
    write_training(tmp_path, training(state=TrialState.FAILED, reason="loss is nan"))
    write_outcome(tmp_path, outcome(scoring_s=0.5, state=TrialState.FAILED))
    (told,) = conclude(tmp_path, evaluator=NOBODY)
    assert told == {"state": "failed", "reason": "loss is nan", "cause": ""}
    assert read_outcome(tmp_path).scoring_s == 0.5  # not written again


def test_a_stopped_trial_reports_its_best_scores_and_is_not_scored_once_more(tmp_path):
    for scores in (evaluation(9.0, epoch=8), evaluation(14.0, epoch=16)):
        write_evaluation(epoch_folder(tmp_path, scores.epoch), scores)
    ended = training(
        state=TrialState.STOPPED, epoch=17, reason="others are better", unscored=("epoch_0017",)
    )
    write_training(tmp_path, ended)
    (told,) = conclude(tmp_path, evaluator=NOBODY)
    assert (told["state"], told["reason"]) == ("stopped", "others are better")
    assert told["histogram_distance_hu"] == 9.0
    assert read_outcome(tmp_path).best_epoch == 8
    assert list(conclude(tmp_path, evaluator=NOBODY)) == [told]


def test_a_trial_that_was_stopped_before_its_first_evaluation_reports_no_scores(tmp_path):
    ended = training(
        state=TrialState.STOPPED, epoch=8, reason="it is not learning", cause=Cause.NOT_LEARNING
    )
    write_training(tmp_path, ended)
    (told,) = conclude(tmp_path, evaluator=NOBODY)
    assert told == {"state": "stopped", "reason": "it is not learning", "cause": "not learning"}
    assert list(conclude(tmp_path, evaluator=NOBODY)) == [told]


def test_a_training_that_left_no_end_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match=r"trained\.json"):
        list(conclude(tmp_path, evaluator=NOBODY))
