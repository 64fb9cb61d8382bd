"""What a set of scores says, in a few lines that a person can read out."""

from collections.abc import Sequence

from evaluation.measurement import Better, Measurement


def verdict(measurements: Sequence[Measurement], *, notices: Sequence[str] = ()) -> str:
    """Notices first; then which scores cannot be told from real scans, which from nonsense."""
    mute = [one for one in measurements if is_mute(one)]
    telling = [one for one in measurements if one not in mute]
    as_real = [one for one in telling if is_as_real(one)]
    as_nonsense = [one for one in telling if not is_as_real(one) and is_as_nonsense(one)]
    between = [one for one in telling if one not in as_real and one not in as_nonsense]
    n = min(one.score.n for one in measurements)
    lines = [
        *notices,
        f"{len(measurements)} scores of {n} samples: {len(as_real)} as real scans, "
        f"{len(between)} between real scans and nonsense, {len(as_nonsense)} as nonsense, "
        f"{len(mute)} that say nothing here.",
        *_section("As real scans", as_real),
        *_section("Between real scans and nonsense", between),
        *_section("As nonsense", as_nonsense),
        *_section("Says nothing here: real scans and nonsense score alike", mute),
    ]
    return "\n".join(lines) + "\n"


def is_mute(one: Measurement) -> bool:
    """Whether the score is as that of real scans, and that of nonsense as well."""
    return one.better is not Better.NEARER and not one.can_tell and is_as_real(one)


def is_as_real(one: Measurement) -> bool:
    """Whether the score is one that real scans get: no worse than the far end of their interval."""
    low, high = one.real.low, one.real.high
    if one.better is Better.NEARER:
        return low <= one.score.value <= high
    return one.score.value <= high if one.better is Better.LOWER else one.score.value >= low


def is_as_nonsense(one: Measurement) -> bool:
    """Whether the score is no better than the near end of the interval of nonsense."""
    if one.nonsense is None or one.better is Better.NEARER:
        return False
    if one.better is Better.LOWER:
        return one.score.value >= one.nonsense.low
    return one.score.value <= one.nonsense.high


def describe(one: Measurement) -> str:
    """One line: the score with its interval, between what real scans and nonsense get."""
    floor = "" if one.nonsense is None else f", nonsense {_number(one.nonsense.value)}"
    share = "" if one.normalized is None else f", {one.normalized:.0%} of the way to real"
    return (
        f"{one.name} {_number(one.score.value)} ({_number(one.score.low)} to "
        f"{_number(one.score.high)}){' ' + one.unit if one.unit else ''}: real scans "
        f"{_number(one.real.value)} (n = {one.real.n}){floor}{share}"
    )


def _section(title: str, measurements: Sequence[Measurement]) -> list[str]:
    if not measurements:
        return []
    return ["", f"{title}:", *(f"  {describe(one)}" for one in measurements)]


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
