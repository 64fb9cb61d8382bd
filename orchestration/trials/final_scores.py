"""Waits for the scores of a trained model, then writes the outcome of its trial.

This runs in the Tune function, which holds no CPU and no GPU: the next trial trains meanwhile.
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
    """Have the remaining epochs scored and write the outcome. Yields the reports for Ray Tune.

    The last report has the trial's state and, if it is complete, both objectives.
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
    """The last report of a trial."""
    ended: dict[str, Any] = {"state": str(training.state), "reason": training.reason or ""}
    return ended if objectives is None else ended | objectives.report()


def _scored(
    folder: Path, training: TrainingOutcome, evaluator: str, sharing: Sharing
) -> list[EpochObjectives]:
    """The objectives that were missing, the last epoch's at the end."""
    actor = ray.get_actor(evaluator, namespace=NAMESPACE)
    last = epoch_folder(folder, training.epoch)
    earlier = [folder / name for name in training.unscored if name != last.name]
    references = [actor.evaluate.remote(sharing.address(one)) for one in (*earlier, last)]
    objectives: list[EpochObjectives] = ray.get(references)
    return objectives


def _read_last(folder: Path, training: TrainingOutcome, sharing: Sharing) -> EpochObjectives:
    """The objectives of a trial that had ended before, from the file of its last epoch."""
    last = epoch_folder(folder, training.epoch)
    sharing.fetch(last / EVALUATION_FILE)
    return read_evaluation(last).objectives()
