"""When a trial is stopped early: at a rung, if others are clearly better there.

Rungs are epochs that all trials of a study have in common. A rung after the first milestone of each
trial would be fairer to trials that lower their learning rate late, but a trial could escape it by
a late milestone. Samples are made from averaged weights, which a high learning rate disturbs less.

Optuna does not prune studies with several objectives, and Ray's ASHA compares one metric. Here,
trials are compared by both objectives and their intervals (see ``is_clearly_better``). As in ASHA,
no trial waits for others: it is compared with those that have reached the rung before it.
"""

import math
from collections.abc import Sequence

from ldm.config import TrainingConfig
from orchestration.study.clearly_better import is_clearly_better
from orchestration.study.evaluations import Evaluation

# Chosen by ``benchmarks/search.py``: later rungs save less, and a smaller share loses good trials.
RUNG_SHARES = (0.125, 0.25, 0.5)  # of the epochs of a trial
STOPPING_SHARE = 1 / 3  # of the trials at a rung, itself included, must be clearly better
FEWEST_BETTER = 2  # trials, so that one lucky trial stops no other


def rung_epochs(training: TrainingConfig) -> tuple[int, ...]:
    """Return the epochs at which a trial may be stopped, in order.

    They are the first evaluated epochs at or after an eighth, a quarter and a half of all epochs.
    The last epoch is not a rung.
    """
    every, last = training.evaluate_every_epochs, training.epochs
    epochs = {math.ceil(share * last / every) * every for share in RUNG_SHARES}
    return tuple(sorted(epoch for epoch in epochs if epoch < last))


def stop_reason(one: Evaluation, others: Sequence[Evaluation]) -> str | None:
    """Return why a trial is stopped at a rung, or None if it goes on.

    ``one`` is its evaluation at the rung. ``others`` are those of the other trials that have
    reached it.
    """
    n_better = sum(is_clearly_better(other, one) for other in others)
    if n_better < max(FEWEST_BETTER, STOPPING_SHARE * (len(others) + 1)):
        return None
    return (
        f"its scores at epoch {one.epoch} are clearly worse than those of {n_better} of "
        f"{len(others)} other trials at that epoch"
    )
