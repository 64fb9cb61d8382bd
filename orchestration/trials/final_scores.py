"""From a trained model to the outcome of its trial: waits for scores where nobody else waits.

Runs in the Tune function, which holds no CPU and no GPU: what the training held is free, and the
next trial trains meanwhile.
"""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import ray

from ldm.files.dataclass_json import from_dict
from orchestration.cluster import NAMESPACE
from orchestration.storage.sharing import SHARED_FOLDER, Sharing
from orchestration.study.outcomes import (
    Evaluation,
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
    """Have what is unscored scored and write the outcome; yields what Ray Tune is to be told.

    Last comes the trial's state and, when it is complete, both objectives.
    """
    for name in ("trained.json", "outcome.json"):
        sharing.fetch(folder / name)
    trained = read_training(folder)
    if trained is None:
        raise RuntimeError(f"{folder} has no trained.json although its training ended")
    outcome = read_outcome(folder)
    if outcome is None:
        started, last = perf_counter(), None
        if trained.state is TrialState.COMPLETE:
            *earlier, last = _scored(folder, trained, evaluator, sharing)
            yield from (evaluation.metrics() for evaluation in earlier)
        outcome = _outcome(trained, last, perf_counter() - started)
        write_outcome(folder, outcome)
        sharing.push(folder / "outcome.json")
    yield final_metrics(outcome)


def final_metrics(outcome: TrialOutcome) -> dict[str, Any]:
    """The last report of a trial."""
    metrics: dict[str, Any] = {"state": str(outcome.state), "reason": outcome.reason or ""}
    if outcome.evaluation is not None:
        metrics |= outcome.evaluation.metrics()
    return metrics


def _scored(
    folder: Path, trained: TrainingOutcome, evaluator: str, sharing: Sharing
) -> list[Evaluation]:
    """The evaluations that were missing, the last epoch's at the end; one that is done is read."""
    actor = ray.get_actor(evaluator, namespace=NAMESPACE)
    last = f"epoch_{trained.epoch:04d}"
    names = [*(name for name in trained.unscored if name != last), last]
    references = [actor.evaluate.remote(sharing.address(folder / name)) for name in names]
    return [from_dict(Evaluation, plain) for plain in ray.get(references)]


def _outcome(
    trained: TrainingOutcome, evaluation: Evaluation | None, scoring_s: float
) -> TrialOutcome:
    return TrialOutcome(
        state=trained.state,
        epoch=trained.epoch,
        first_epoch_loss=trained.first_epoch_loss,
        loss=trained.loss,
        trivial_loss=trained.trivial_loss,
        seconds=trained.seconds,
        waiting_s=trained.waiting_s,
        scoring_s=scoring_s,
        evaluation=evaluation,
        reason=trained.reason,
    )
