"""Summarize a set of scores in a few lines of plain text."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from evaluation.measurement import Better, Measurement
from evaluation.memorization.finding import CopyFinding
from evaluation.score import MIN_VOLUMES

COPIES = ("copied_share", "nearest_training_ratio")  # scores of copies have a section of their own
AS_REAL = "as good as real scans"
BETWEEN = "between real scans and nonsense"
AS_NONSENSE = "no better than nonsense"
UNINFORMATIVE = "uninformative"
FEW = "of too few volumes for a verdict"
ALWAYS_COUNTED = (AS_REAL, BETWEEN, AS_NONSENSE, UNINFORMATIVE)
# Scores that are best near that of real scans: what a smaller and what a larger value means.
BELOW_AND_ABOVE = {
    "ms_ssim": ("less alike than real scans", "more alike than real scans"),
    "nearest_training_ratio": (
        "nearer to training scans than real scans",
        "farther from training scans than real scans",
    ),
}
OTHER_BELOW_AND_ABOVE = ("below real scans", "above real scans")
TITLES = {UNINFORMATIVE: "Uninformative, because real scans and nonsense score alike"}
NO_VERDICT = (
    f"No verdict, because intervals are unknown below {MIN_VOLUMES} samples or {MIN_VOLUMES} real "
    "scans"
)
TWO_GROUPS = (
    f"  A score against held-out scans needs {2 * MIN_VOLUMES} different real scans, because its "
    "value for real scans compares two groups of them."
)


def verdict(
    measurements: Sequence[Measurement],
    *,
    notices: Sequence[str] = (),
    left_out: Mapping[str, str] = MappingProxyType({}),
    copying: CopyFinding | None = None,
) -> str:
    """Return the verdict on a set of samples.

    The text begins with the notices and a line that counts the scores. Then it lists the scores by
    their ``standing``. Scores of fewer than 4 samples or real scans get no verdict, copies have a
    section of their own, and scores that are left out are named with the reason. If nothing was
    measured, the text says so.
    """
    copies = [one for one in measurements if one.name in COPIES]
    by_standing: dict[str, list[Measurement]] = {words: [] for words in ALWAYS_COUNTED}
    for one in measurements:
        if one.name not in COPIES:
            by_standing.setdefault(standing(one), []).append(one)
    few = by_standing.pop(FEW, [])
    sections = [
        _section(TITLES.get(words) or words[0].upper() + words[1:], ones)
        for words, ones in by_standing.items()
    ]
    lines = [
        *notices,
        _count(measurements, by_standing, n_copies=len(copies), n_few=len(few)),
        *(line for section in sections for line in section),
        *_section(NO_VERDICT, few),
        *([TWO_GROUPS] if any(_lacks_real_scans(one) for one in few) else []),
        *_copies(copies, copying),
        *(["", "Left out:"] if left_out else []),
        *(f"  {name}: {reason}" for name, reason in left_out.items()),
    ]
    return "\n".join(lines) + "\n"


def standing(one: Measurement) -> str:
    """Return in words how a score compares with those of real scans and nonsense."""
    if not one.has_interval:
        return FEW
    if is_mute(one):
        return UNINFORMATIVE
    if is_as_real(one):
        return AS_REAL
    if one.better is Better.NEARER:
        below, above = BELOW_AND_ABOVE.get(one.name, OTHER_BELOW_AND_ABOVE)
        return below if one.score.value < one.real.low else above
    return AS_NONSENSE if is_as_nonsense(one) else BETWEEN


def is_mute(one: Measurement) -> bool:
    """Return True if the score is as good as real scans, but real scans do not beat nonsense.

    Such a score proves nothing about the samples.
    """
    return not one.can_tell and is_as_real(one)


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
    interval = (
        f"({_number(one.score.low)} to {_number(one.score.high)})"
        if one.score.has_interval
        else f"(n = {one.score.n}, interval unknown)"
    )
    return (
        f"{one.name}: {_number(one.score.value)}{unit} {interval}; real scans "
        f"{_number(one.real.value)} (n = {one.real.n}){floor}"
        + (f"; {share(one.normalized)}" if one.normalized is not None else "")
    )


def share(normalized: float) -> str:
    """Return how far a score is on the way from nonsense to real scans, in words.

    ``normalized`` is 0 for the score of nonsense and 1 for that of real scans.
    """
    if normalized < 0:
        return "worse than nonsense"
    if normalized > 1:
        return "at least as good as real scans"
    return f"{normalized:.0%} of the way to real scans"


def _count(
    measurements: Sequence[Measurement],
    by_standing: Mapping[str, Sequence[Measurement]],
    *,
    n_copies: int,
    n_few: int,
) -> str:
    """Return the line that counts the scores. Each score is counted once."""
    if not measurements:
        return "Nothing was measured, so there is no verdict."
    counts = {words: len(ones) for words, ones in by_standing.items()}
    counts |= {words: n for words, n in (("about copies", n_copies), (FEW, n_few)) if n}
    n = sorted({one.score.n for one in measurements})
    samples = f"{n[0]} to {n[-1]} samples" if len(n) > 1 else _plural(n[0], "sample")
    return (
        f"{_plural(len(measurements), 'score')} of {samples}: "
        + ", ".join(f"{count} {words}" for words, count in counts.items())
        + "."
    )


def _plural(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _lacks_real_scans(one: Measurement) -> bool:
    return one.score.has_interval and not one.real.has_interval


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
