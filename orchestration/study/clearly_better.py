"""Compare two evaluations by the intervals of their objectives, also across input sizes."""

from orchestration.study.evaluations import OBJECTIVES, Evaluation


def compared_in(one: Evaluation, other: Evaluation) -> list[str]:
    """Return the names of the objectives that tell real scans from noise in both evaluations."""
    dropped = (*one.dropped, *other.dropped)
    return [name for name in OBJECTIVES if name not in dropped]


def is_clearly_better(one: Evaluation, other: Evaluation) -> bool:
    """Return True if the intervals show that an evaluation is better than another.

    At least one objective must be clearly better, and none clearly worse: their 95 % intervals,
    between smooth noise and real scans of the input size, do not overlap. This is a cautious test,
    since scores that differ may still overlap. Scores without an interval show nothing. A model
    that copies training scans is never better than one that does not.
    """
    if one.is_copying != other.is_copying:
        return other.is_copying
    names = compared_in(one, other)
    is_better = [_is_clearly_better(name, one, other) for name in names]
    is_worse = [_is_clearly_better(name, other, one) for name in names]
    return any(is_better) and not any(is_worse)


def _is_clearly_better(name: str, one: Evaluation, other: Evaluation) -> bool:
    if not (one.scores[name].score.has_interval and other.scores[name].score.has_interval):
        return False
    low, _ = _interval(name, one)
    _, high = _interval(name, other)
    return low > high


def _interval(name: str, one: Evaluation) -> tuple[float, float]:
    """Return the interval of an objective between noise, 0, and real scans, 1."""
    anchors, score = one.objectives().anchors[name], one.scores[name].score
    low, high = sorted([anchors.normalized(score.low), anchors.normalized(score.high)])
    return low, high
