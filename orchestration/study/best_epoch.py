"""Which epoch of a trial stands for it: the last one, unless an earlier one is clearly better.

Training for longer can make samples worse. But the best of several measurements looks better than
it is, because chance also decides which one that is. So an earlier epoch stands for a trial only if
the intervals show that it is better, and not merely because its value is.
"""

from collections.abc import Sequence
from statistics import mean

from orchestration.study.clearly_better import is_clearly_better
from orchestration.study.evaluations import Evaluation


def best_evaluation(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the evaluation that stands for a trial.

    ``evaluations`` are those of all evaluated epochs of a trial, in order, at least one. Of several
    earlier epochs that are clearly better than the last one, the result is the one whose objectives
    lie nearest to those of real scans on average.
    """
    *earlier, last = evaluations
    better = [one for one in earlier if is_clearly_better(one, last)]
    return max(better, key=_position, default=last)


def _position(one: Evaluation) -> float:
    """Return where the objectives lie between noise, 0, and real scans, 1, on average."""
    told = one.objectives()
    return mean(
        told.anchors[name].normalized(value)
        for name, value in told.values.items()
        if name not in one.dropped
    )
