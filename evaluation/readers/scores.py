"""Evaluate the ratings of a reader study: means by plane and case, and agreement of readers."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from evaluation.panels import PLANES
from evaluation.readers.cases import CaseKind
from evaluation.readers.ratings import HIGHEST, Ratings
from evaluation.score import INTERVAL, N_BOOTSTRAP, Score, mean_score
from evaluation.tables import write_table

RATINGS_SCALE = range(HIGHEST + 1)
WEIGHTS = ("none", "quadratic")
ALL_PLANES = "all"

OneReader = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindMean:
    """The mean rating of the real or of the synthetic cases, with a 95 % interval over cases.

    ``plane`` is one of ``PLANES``, or "all" for the mean over the three planes.
    """

    kind: CaseKind
    plane: str
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Cohen's kappa of two readers on the synthetic cases in one plane, as in the study.

    Attributes
    ----------
    readers
        Names of the two readers.
    plane
        One of ``PLANES``.
    weights
        "none", or "quadratic" for weighted kappa.
    value
        Kappa. None if both readers gave one and the same rating to all cases: agreement by chance
        is then complete, and kappa is undefined.
    low, high
        95 % bootstrap interval over cases. None if kappa is undefined in every draw.
    n
        Number of cases.
    n_draws
        Number of bootstrap draws, out of 500, in which kappa is defined. The interval uses only
        these.
    """

    readers: tuple[str, str]
    plane: str
    weights: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    n_draws: int


def kind_means(ratings: Ratings) -> tuple[KindMean, ...]:
    """Return the mean rating of each kind of case, for each plane and for all planes together.

    Ratings are averaged over readers first, so that the interval is over cases. A kind without
    cases is left out.
    """
    found = []
    for kind in CaseKind:
        cases = _cases_of(ratings, kind)
        if not cases:
            continue
        means = ratings.values[:, cases].mean(axis=0)  # (cases, planes)
        columns = dict(zip(PLANES, means.T, strict=True)) | {ALL_PLANES: means.mean(axis=1)}
        for name, values in columns.items():
            found.append(KindMean(kind=kind, plane=name, score=mean_score(values)))
    return tuple(found)


def kappas(ratings: Ratings, *, seed: int = 0) -> tuple[Kappa, ...]:
    """Return kappa on the synthetic cases for each pair of readers, plane and weighting.

    The result is empty if there is only one reader or no synthetic case.
    """
    cases = _cases_of(ratings, CaseKind.SYNTHETIC)
    pairs = list(combinations(range(len(ratings.readers)), 2)) if cases else []
    return tuple(
        kappa_with_interval(
            ratings.values[one, cases, place],
            ratings.values[other, cases, place],
            readers=(ratings.readers[one], ratings.readers[other]),
            plane=name,
            weights=weights,
            seed=seed,
        )
        for one, other in pairs
        for place, name in enumerate(PLANES)
        for weights in WEIGHTS
    )


def kappa(first: OneReader, second: OneReader, weights: str) -> float | None:
    """Return Cohen's kappa of two readers (Cohen 1960; with quadratic weights Cohen 1968).

    Both arrays hold the ratings of the same cases, shape (cases,). The result is None if kappa is
    undefined because both readers gave one and the same rating throughout.
    """
    if len({*first.tolist(), *second.tolist()}) == 1:
        return None
    value = cohen_kappa_score(
        first,
        second,
        labels=list(RATINGS_SCALE),  # so that weights follow the scale, not the ratings that occur
        weights=None if weights == "none" else weights,
    )
    return float(value)


def kappa_with_interval(
    first: OneReader,
    second: OneReader,
    *,
    readers: tuple[str, str],
    plane: str,
    weights: str,
    seed: int = 0,
) -> Kappa:
    """Return kappa of two readers with its 95 % bootstrap interval over cases.

    ``first`` and ``second`` are their ratings of the same cases, shape (cases,).
    """
    n, rng = len(first), np.random.default_rng(seed)
    draws = [rng.integers(0, n, n) for _ in range(N_BOOTSTRAP)]
    values = [kappa(first[index], second[index], weights) for index in draws]
    defined = [value for value in values if value is not None]
    low, high = np.percentile(defined, INTERVAL).tolist() if defined else (None, None)
    return Kappa(
        readers=readers,
        plane=plane,
        weights=weights,
        value=kappa(first, second, weights),
        low=low,
        high=high,
        n=n,
        n_draws=len(defined),
    )


def write_reader_scores(ratings: Ratings, out: Path) -> None:
    """Write cases.csv, kinds.csv, kappa.csv and readers.md to the folder ``out``.

    They hold the mean rating of each case, the means of real and synthetic cases, the agreement of
    readers, and a summary of all three. Missing folders are made.
    """
    means, agreements = kind_means(ratings), kappas(ratings)
    by_case = ratings.values.mean(axis=0)
    write_table(
        out / "cases.csv",
        ("case", "kind", "file", *PLANES, "mean"),
        [
            (one.case, one.kind, one.file, *_rounded(*row, row.mean()))
            for one, row in zip(ratings.cases, by_case, strict=True)
        ],
    )
    write_table(
        out / "kinds.csv",
        ("kind", "plane", "n", "mean", "low", "high"),
        [
            (one.kind, one.plane, score.n, *_rounded(score.value, score.low, score.high))
            for one in means
            for score in (one.score,)
        ],
    )
    write_table(
        out / "kappa.csv",
        ("reader_1", "reader_2", "plane", "weights", "n", "n_draws", "kappa", "low", "high"),
        [
            (*one.readers, one.plane, one.weights, one.n, one.n_draws, *numbers)
            for one in agreements
            for numbers in (_rounded(one.value, one.low, one.high),)
        ],
    )
    (out / "readers.md").write_text("\n".join(_markdown(ratings, means, agreements)) + "\n")


def _markdown(
    ratings: Ratings, means: tuple[KindMean, ...], agreements: tuple[Kappa, ...]
) -> Iterator[str]:
    yield "# Ratings of the readers\n"
    yield (
        f"{len(ratings.readers)} readers ({', '.join(ratings.readers)}) rated "
        f"{len(ratings.cases)} cases from 0 to {HIGHEST}. Intervals are 95 % over cases.\n"
    )
    yield "| cases | plane | n | mean rating | interval |\n|---|---|---|---|---|"
    for one in means:
        score = one.score
        interval = f"{score.low:.2f} to {score.high:.2f}"
        yield f"| {one.kind} | {one.plane} | {score.n} | {score.value:.2f} | {interval} |"
    if not agreements:
        return
    yield (
        "\nAgreement of the readers on the synthetic cases, as Cohen's kappa: 1 is full agreement, "
        "0 is agreement by chance.\n"
    )
    yield "| readers | plane | weights | kappa | interval |\n|---|---|---|---|---|"
    for agreement in agreements:
        value, low, high = (
            "undefined" if number is None else f"{round(number, 2) + 0.0:.2f}"
            for number in (agreement.value, agreement.low, agreement.high)
        )
        readers = " and ".join(agreement.readers)
        yield f"| {readers} | {agreement.plane} | {agreement.weights} | {value} | {low} to {high} |"


def _cases_of(ratings: Ratings, kind: CaseKind) -> list[int]:
    return [index for index, case in enumerate(ratings.cases) if case.kind is kind]


def _rounded(*values: float | None) -> tuple[float | None, ...]:
    return tuple(None if value is None else round(float(value), 3) for value in values)
