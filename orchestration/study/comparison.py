"""Compare trials: find the Pareto front, and the scores that give the objectives a scale."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.measurement import Measurement
from evaluation.score import MIN_VOLUMES, Score
from evaluation.verdict import is_as_nonsense
from ldm.config import InputSize
from orchestration.study.evaluations import DICE, DISTANCE, OBJECTIVES, Evaluation
from orchestration.study.trial_rows import TrialRow

NAMES = {DISTANCE: "histogram distance", DICE: "Dice"}
NO_OBJECTIVE = (
    "Neither objective tells real scans from noise, so no trial is on the Pareto front and the "
    "search learns nothing from these trials. Look at the other scores and at the pictures"
)
NO_INTERVAL = (
    f"Intervals are unknown for fewer than {MIN_VOLUMES} different samples or real scans (here "
    "{n}), so it is not known which trial is best and none is marked"
)
TWO_GROUPS = (
    f"The {NAMES[DISTANCE]} of real scans compares two groups of them, so it needs "
    f"{2 * MIN_VOLUMES} different real scans"
)
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
    """Return the ids of the trials that are known to be Pareto-optimal at their input size.

    They are those of ``undominated_trials`` whose scores have an interval and of which at least one
    objective is better than that of smooth noise.
    """
    known = {
        row.trial_id
        for row in rows
        if row.evaluation and has_intervals(row.evaluation) and not is_noise(row.evaluation)
    }
    return undominated_trials(rows) & known


def undominated_trials(rows: Sequence[TrialRow]) -> set[str]:
    """Return the ids of the trials whose values are Pareto-optimal among their input size.

    Objectives that cannot tell real scans from noise do not count. If none counts, no trial is
    optimal. Trials that copy training scans or have no scores are left out.
    """
    return {
        trial_id
        for size in sizes_of(rows)
        for trial_id in _front([row for row in rows if row.input_size == size])
    }


def _front(rows: Sequence[TrialRow]) -> list[str]:
    points: dict[str, tuple[float, float]] = {}
    for row in rows:
        if row.evaluation is not None and not row.is_copying and telling(row.evaluation):
            distance, dice = (_counted(row.evaluation, name) for name in OBJECTIVES)
            points[row.trial_id] = (distance, dice)
    front = pareto_front(list(points.values()))
    return [trial_id for trial_id, is_optimal in zip(points, front, strict=True) if is_optimal]


def _counted(evaluation: Evaluation, name: str) -> float:
    """Return an objective, or 0 for all trials alike if it cannot tell real scans from noise."""
    return evaluation.scores[name].score.value if name in telling(evaluation) else 0.0


def telling(evaluation: Evaluation) -> list[str]:
    """Return the names of the objectives that tell real scans from noise."""
    return [name for name in OBJECTIVES if name not in evaluation.dropped]


def has_intervals(evaluation: Evaluation) -> bool:
    """Return True if all objectives that tell real scans from noise have an interval."""
    return all(evaluation.scores[name].has_interval for name in telling(evaluation))


def is_noise(evaluation: Evaluation) -> bool:
    """Return True if no objective that tells real scans from noise is better than noise."""
    names = telling(evaluation)
    return bool(names) and all(is_as_nonsense(evaluation.scores[name]) for name in names)


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


def objective_notes(rows: Sequence[TrialRow]) -> list[str]:
    """Return why trials of one input size cannot be compared by both objectives, as sentences.

    The result is empty if they can be, or if no trial has scores.
    """
    one = last_scores(rows)
    if one is None:
        return []
    notes = [_dropped_note(name, one.scores[name]) for name in one.dropped]
    counting = telling(one)
    if not counting:
        return [*notes, NO_OBJECTIVE]
    if one.dropped:
        notes.append(f"The Pareto front uses the {NAMES[counting[0]]} alone")
    return [*notes, *_mark_notes(rows, counting)]


def _mark_notes(rows: Sequence[TrialRow], names: Sequence[str]) -> list[str]:
    """Return why trials of one input size are not marked as Pareto-optimal, as sentences."""
    scored = [(row, row.evaluation) for row in rows if row.evaluation is not None]
    notes = []
    if not any(has_intervals(one) for _, one in scored):
        _, last = scored[-1]
        n = min(min(last.scores[name].score.n, last.scores[name].real.n) for name in names)
        notes.append(NO_INTERVAL.format(n=n))
        if any(_lacks_real_scans(one) for _, one in scored):
            notes.append(TWO_GROUPS)
        return notes
    for row, one in scored:
        if not has_intervals(one):
            n = min(one.scores[name].score.n for name in names)
            notes.append(
                f"Trial {row.label} is not marked, because its intervals are unknown: it has fewer "
                f"than {MIN_VOLUMES} different samples (n = {n})"
            )
        elif is_noise(one):
            notes.append(
                f"Trial {row.label} is not marked, because it is no better than smooth noise in "
                "any objective"
            )
    return notes


def _lacks_real_scans(one: Evaluation) -> bool:
    """Return True if the distance has enough samples but too few real scans for an interval."""
    distance = one.scores[DISTANCE]
    return distance.score.has_interval and not distance.real.has_interval


def _dropped_note(name: str, one: Measurement) -> str:
    assert one.nonsense is not None  # otherwise the score counts as telling
    real, noise = _range(name, one.real), _range(name, one.nonsense)
    if one.real.low <= one.nonsense.high and one.nonsense.low <= one.real.high:
        why = (
            f"the intervals of real scans ({real}) and of smooth noise ({noise}) overlap and they "
            "cannot be told apart"
        )
    else:
        why = f"smooth noise ({noise}) scores better than real scans ({real})"
    return f"The {NAMES[name]} is not an objective here, because {why}"


def _range(name: str, score: Score) -> str:
    digits = 2 if name == DICE else 1
    return f"{score.low:.{digits}f} to {score.high:.{digits}f}"
