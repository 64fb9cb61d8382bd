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
from orchestration.study.evaluations import (
    EVALUATION_FILE,
    EpochObjectives,
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
    last report has the state of the trial and, if it is complete, both objectives. If the outcome
    is written already, only the last report is yielded. Raises RuntimeError if the training has not
    ended.
    """
    for name in (TRAINING_FILE, OUTCOME_FILE):
        sharing.fetch(folder / name)
    training = read_training(folder)
    if training is None:
        raise RuntimeError(f"{folder} has no {TRAINING_FILE} although its training ended")
    objectives = None
    if read_outcome(folder) is None:
        started = perf_counter()
        if training.state is TrialState.COMPLETE:
            *earlier, objectives = _scored(folder, training, evaluator, sharing)
            yield from (one.report() for one in earlier)
        outcome = TrialOutcome(training=training, scoring_s=perf_counter() - started)
        write_outcome(folder, outcome)
        sharing.push(folder / OUTCOME_FILE)
    elif training.state is TrialState.COMPLETE:
        objectives = _read_last(folder, training, sharing)
    yield final_report(training, objectives)


def final_report(training: TrainingOutcome, objectives: EpochObjectives | None) -> dict[str, Any]:
    """Return the last report of a trial: how it ended, and what the search is told of its scores.

    ``objectives`` is None for a trial that failed.
    """
    ended: dict[str, Any] = {
        "state": str(training.state),
        "reason": training.reason or "",
        "cause": str(training.cause or ""),
    }
    return ended if objectives is None else ended | objectives.report()


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


def _read_last(folder: Path, training: TrainingOutcome, sharing: Sharing) -> EpochObjectives:
    """Read the objectives of a trial that has ended before from the folder of its last epoch."""
    last = epoch_folder(folder, training.epoch)
    sharing.fetch(last / EVALUATION_FILE)
    return read_evaluation(last).objectives()
