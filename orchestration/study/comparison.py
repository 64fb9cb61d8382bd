"""Compare trials: find the Pareto front, and the scores that give the objectives a scale."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.score import Score
from ldm.config import InputSize
from orchestration.study.evaluations import DICE, OBJECTIVES, Evaluation
from orchestration.study.trial_rows import TrialRow

ACROSS_SIZES = (
    "Scores of different input sizes cannot be compared directly: each model sees a different part "
    "of the scan. Compare each score with that of real scans at its input size."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Both objectives of something to compare trials with, such as real scans or noise."""

    name: str
    distance_hu: Score
    dice: Score


def sizes_of(rows: Sequence[TrialRow]) -> list[InputSize]:
    """Return the input sizes of the trials. ``fit`` comes first: it shows the whole crop."""
    return sorted({row.input_size for row in rows}, key=list(reversed(InputSize)).index)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return for each point (distance, Dice) whether it is Pareto-optimal.

    A small distance and a large Dice are better. Equal points do not dominate each other.
    """
    return [
        not any(
            other[0] <= point[0] and other[1] >= point[1] and other != point for other in points
        )
        for point in points
    ]


def optimal_trials(rows: Sequence[TrialRow]) -> set[str]:
    """Return the ids of the trials that are Pareto-optimal among those of their input size.

    Trials that copy training scans or have no scores are left out.
    """
    return {
        trial_id
        for size in sizes_of(rows)
        for trial_id in _front([row for row in rows if row.input_size == size])
    }


def _front(rows: Sequence[TrialRow]) -> list[str]:
    points: dict[str, tuple[float, float]] = {}
    for row in rows:
        if row.evaluation is not None and not row.is_copying:
            distance, dice = (row.evaluation.objectives().values[name] for name in OBJECTIVES)
            points[row.trial_id] = (distance, dice)
    front = pareto_front(list(points.values()))
    return [trial_id for trial_id, is_optimal in zip(points, front, strict=True) if is_optimal]


def last_scores(rows: Sequence[TrialRow]) -> Evaluation | None:
    """Return the scores of the last trial that has any, or None if no trial has scores.

    They include the scores of real scans and noise, which hold for all trials of the same input
    size.
    """
    return next((row.evaluation for row in reversed(rows) if row.evaluation is not None), None)


def anchors_of(rows: Sequence[TrialRow]) -> list[Anchor]:
    """Return the objectives of real scans, noise and the untrained model at one input size.

    ``rows`` must be trials of this input size. The result is empty if none of them has scores.
    """
    one = last_scores(rows)
    if one is None:
        return []
    distance, dice = (one.scores[name] for name in OBJECTIVES)
    untrained_distance, untrained_dice = (one.untrained[name].score for name in OBJECTIVES)
    assert distance.nonsense is not None and dice.nonsense is not None
    return [
        Anchor(name="real scans", distance_hu=distance.real, dice=dice.real),
        Anchor(name="smooth noise", distance_hu=distance.nonsense, dice=dice.nonsense),
        Anchor(name="untrained", distance_hu=untrained_distance, dice=untrained_dice),
    ]


def dropped_dice(rows: Sequence[TrialRow]) -> str:
    """Return why Dice is not an objective at the input size of these trials.

    ``rows`` must be trials of one input size. The text is empty if Dice is an objective or if none
    of them has scores.
    """
    one = last_scores(rows)
    if one is None:
        return ""
    dice = one.scores[DICE]
    if dice.can_tell or dice.nonsense is None:
        return ""
    return (
        "Dice is not an objective here: TotalSegmentator scores real scans "
        f"({dice.real.low:.2f} to {dice.real.high:.2f}) and smooth noise "
        f"({dice.nonsense.low:.2f} to {dice.nonsense.high:.2f}) alike"
    )
