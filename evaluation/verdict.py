"""Summarize a set of scores in a few lines of plain text."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from evaluation.measurement import Better, Measurement
from evaluation.memorization.finding import CopyFinding
from evaluation.score import MIN_VOLUMES

COPIES = ("copied_share", "nearest_training_ratio")  # scores of copies have a section of their own


def verdict(
    measurements: Sequence[Measurement],
    *,
    notices: Sequence[str] = (),
    left_out: Mapping[str, str] = MappingProxyType({}),
    copying: CopyFinding | None = None,
) -> str:
    """Return the verdict on a set of samples.

    The text begins with the notices and a line that counts the scores. Then it lists the scores
    that are as good as real scans, those between real scans and nonsense, those no better than
    nonsense, and those that are uninformative because real scans and nonsense score alike. Scores
    of fewer than 4 samples or real scans get no verdict, copies have a section of their own, and
    scores that are left out are named with the reason.
    """
    copies = [one for one in measurements if one.name in COPIES]
    others = [one for one in measurements if one not in copies]
    few = [one for one in others if not one.has_interval]
    mute = [one for one in others if one not in few and is_mute(one)]
    telling = [one for one in others if one not in mute and one not in few]
    as_real = [one for one in telling if is_as_real(one)]
    as_nonsense = [one for one in telling if not is_as_real(one) and is_as_nonsense(one)]
    between = [one for one in telling if one not in as_real and one not in as_nonsense]
    n = min(one.score.n for one in measurements)
    lines = [
        *notices,
        f"{len(measurements)} scores of {n} samples: {len(as_real)} as good as real scans, "
        f"{len(between)} between real scans and nonsense, {len(as_nonsense)} no better than "
        f"nonsense, {len(mute)} uninformative"
        + (f", {len(few)} of too few volumes for a verdict." if few else "."),
        *_section("As good as real scans", as_real),
        *_section("Between real scans and nonsense", between),
        *_section("No better than nonsense", as_nonsense),
        *_section("Uninformative, because real scans and nonsense score alike", mute),
        *_section(f"No verdict, because intervals are unknown below {MIN_VOLUMES} volumes", few),
        *_copies(copies, copying),
        *(["", "Left out:"] if left_out else []),
        *(f"  {name}: {reason}" for name, reason in left_out.items()),
    ]
    return "\n".join(lines) + "\n"


def is_mute(one: Measurement) -> bool:
    """Return True if the score is as good as real scans, but real scans do not beat nonsense.

    Such a score proves nothing about the samples.
    """
    return one.better is not Better.NEARER and not one.can_tell and is_as_real(one)


def is_as_real(one: Measurement) -> bool:
    """Return True if the score is no worse than the worst end of the interval of real scans.

    A score that is best near that of real scans must lie within their interval.
    """
    low, high = one.real.low, one.real.high
    if one.better is Better.NEARER:
        return low <= one.score.value <= high
    return one.score.value <= high if one.better is Better.LOWER else one.score.value >= low


def is_as_nonsense(one: Measurement) -> bool:
    """Return True if the score is no better than the best end of the interval of nonsense.

    The result is False if there is no score of nonsense, and for a score that is best near that of
    real scans.
    """
    if one.nonsense is None or one.better is Better.NEARER:
        return False
    if one.better is Better.LOWER:
        return one.score.value >= one.nonsense.low
    return one.score.value <= one.nonsense.high


def describe_measurement(one: Measurement) -> str:
    """Return one line: the score with its interval, then the scores of real scans and nonsense."""
    unit = f" {one.unit}" if one.unit else ""
    floor = "" if one.nonsense is None else f", nonsense {_number(one.nonsense.value)}"
    share = "" if one.normalized is None else f"; {one.normalized:.0%} of the way to real scans"
    interval = (
        f"({_number(one.score.low)} to {_number(one.score.high)})"
        if one.score.has_interval
        else f"(n = {one.score.n}, interval unknown)"
    )
    return (
        f"{one.name}: {_number(one.score.value)}{unit} {interval}; real scans "
        f"{_number(one.real.value)} (n = {one.real.n}){floor}{share}"
    )


def _section(title: str, measurements: Sequence[Measurement]) -> list[str]:
    if not measurements:
        return []
    return ["", f"{title}:", *(f"  {describe_measurement(one)}" for one in measurements)]


def _copies(scores: Sequence[Measurement], copying: CopyFinding | None) -> list[str]:
    if not scores and copying is None:
        return []
    found = copying.sentences() if copying else []
    lines = [*(f"{sentence}." for sentence in found), *map(describe_measurement, scores)]
    return ["", "Copies of training scans:", *(f"  {line}" for line in lines)]


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
