"""Which epoch of a trial stands for it: the last one, unless an earlier one is clearly better.

Training for longer can make samples worse. But the best of several measurements looks better than
it is, because chance also decides which one that is. So an earlier epoch stands for a trial only if
the intervals show that it is better, and not merely because its value is.
"""

from collections.abc import Sequence
from statistics import mean

from evaluation.score import is_clearly_above
from orchestration.study.evaluations import OBJECTIVES, Evaluation


def best_evaluation(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the evaluation that stands for a trial.

    ``evaluations`` are those of all evaluated epochs of a trial, in order, at least one. Of several
    earlier epochs that are clearly better than the last one, the result is the one whose objectives
    lie nearest to those of real scans on average.
    """
    *earlier, last = evaluations
    better = [one for one in earlier if is_clearly_better(one, last)]
    return max(better, key=_position, default=last)


def is_clearly_better(one: Evaluation, other: Evaluation) -> bool:
    """Return True if an evaluation of a trial is better than another one of the same trial.

    It is if the intervals of at least one objective show that it is better, and those of no
    objective that it is worse. A model that copies training scans is never better than one that
    does not. Objectives that cannot tell real scans from noise do not count.
    """
    if one.is_copying != other.is_copying:
        return other.is_copying
    names = [name for name in OBJECTIVES if name not in one.dropped]
    is_better = [_is_clearly_better(name, one, other) for name in names]
    is_worse = [_is_clearly_better(name, other, one) for name in names]
    return any(is_better) and not any(is_worse)


def _is_clearly_better(name: str, one: Evaluation, other: Evaluation) -> bool:
    first, second = one.scores[name].score, other.scores[name].score
    if OBJECTIVES[name] == "min":
        first, second = second, first
    return is_clearly_above(first, second)


def _position(one: Evaluation) -> float:
    """Return where the objectives lie between noise, 0, and real scans, 1, on average."""
    told = one.objectives()
    return mean(
        told.anchors[name].normalized(value)
        for name, value in told.values.items()
        if name not in one.dropped
    )
