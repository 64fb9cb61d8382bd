"""Wait for the scores of a trained model, then write the outcome of its trial.

This runs in the Tune function. It reserves no CPU and no GPU, so the next trial trains meanwhile.
"""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import ray

from orchestration.cluster import NAMESPACE
from orchestration.storage.sharing import SHARED_FOLDER, Sharing
from orchestration.study.best_epoch import best_evaluation
from orchestration.study.evaluations import (
    EVAL_EPOCH,
    EVALUATION_FILE,
    EpochObjectives,
    Evaluation,
    epoch_folder,
    read_evaluation,
)
from orchestration.study.outcomes import (
    OUTCOME_FILE,
    TRAINING_FILE,
    TrainingOutcome,
    TrialOutcome,
    TrialState,
    read_outcome,
    read_training,
    write_outcome,
)


def conclude(
    folder: Path, *, evaluator: str, sharing: Sharing = SHARED_FOLDER
) -> Iterator[dict[str, Any]]:
    """Wait for the missing scores and write the outcome. Yields the reports for Ray Tune.

    ``folder`` is the folder of the trial, and ``evaluator`` the name of the evaluation actor. The
    last report has the state of the trial and, if it has scores, the objectives of the epoch that
    stands for it. A trial that was stopped early is not scored once more. If the outcome is written
    already, only the last report is yielded. Raises RuntimeError if the training has not ended.
    """
    for name in (TRAINING_FILE, OUTCOME_FILE):
        sharing.fetch(folder / name)
    training, outcome = read_training(folder), read_outcome(folder)
    if training is None:
        raise RuntimeError(f"{folder} has no {TRAINING_FILE} although its training ended")
    if outcome is None:
        started, best = perf_counter(), None
        if training.state is TrialState.COMPLETE:
            for objectives in _scored(folder, training, evaluator, sharing):
                yield objectives.report()
        if training.state is not TrialState.FAILED and (scored := _evaluations(folder, sharing)):
            best = best_evaluation(scored).epoch
        outcome = TrialOutcome(
            training=training, scoring_s=perf_counter() - started, best_epoch=best
        )
        write_outcome(folder, outcome)
        sharing.push(folder / OUTCOME_FILE)
    if outcome.state is TrialState.COMPLETE or outcome.best_epoch is not None:
        told = epoch_folder(folder, outcome.told_epoch)
        sharing.fetch(told / EVALUATION_FILE)
        yield final_report(training, read_evaluation(told).objectives())
    else:
        yield final_report(training, None)


def final_report(training: TrainingOutcome, objectives: EpochObjectives | None) -> dict[str, Any]:
    """Return the last report of a trial: how it ended, and what the search is told of its scores.

    ``objectives`` is None for a trial without scores. Their epoch is left out, since it has its own
    report.
    """
    ended: dict[str, Any] = {
        "state": str(training.state),
        "reason": training.reason or "",
        "cause": str(training.cause or ""),
    }
    if objectives is None:
        return ended
    told = objectives.report()
    del told[EVAL_EPOCH]
    return ended | told


def _scored(
    folder: Path, training: TrainingOutcome, evaluator: str, sharing: Sharing
) -> list[EpochObjectives]:
    """Let the evaluator score the epochs that have no scores yet.

    Returns their objectives, those of the last epoch last.
    """
    actor = ray.get_actor(evaluator, namespace=NAMESPACE)
    last = epoch_folder(folder, training.epoch)
    earlier = [folder / name for name in training.unscored if name != last.name]
    references = [actor.evaluate.remote(sharing.address(one)) for one in (*earlier, last)]
    objectives: list[EpochObjectives] = ray.get(references)
    return objectives


def _evaluations(folder: Path, sharing: Sharing) -> list[Evaluation]:
    """Return the evaluations of all epochs of a trial, in order."""
    sharing.fetch_tree(folder, only=(f"*/{EVALUATION_FILE}",))
    found = [read_evaluation(path.parent) for path in folder.glob(f"*/{EVALUATION_FILE}")]
    return sorted(found, key=lambda one: one.epoch)
