"""Measure the search on synthetic landscapes, against random search, over many seeds.

    python benchmarks/search.py                     # 20 seeds, about an hour and a half on one core
    python benchmarks/search.py --quick             # 1 seed, five minutes
    python benchmarks/search.py --sampler tpe       # another sampler than that of a sweep

No trial is trained: ``search_spaces.landscape`` gives its scores. The searcher, its storage and the
search space are those of a sweep. A study has 40 trials. The known points of the crop come first.

- Regret: the part of the hypervolume of the best possible scores that the trials of a study miss,
  by their true scores. The median over seeds, at 1, 2 and 8 trials at a time. Its baseline is that
  of random search with the same known points.
- Equal input sizes: the share of the later half of trials that have each input size, where all
  three are equally good. A third would be fair.
- Cliffs: how many of the searched trials fail where all learning rates above a cliff do, and the
  best one lies just below. The baseline is random search. Beside it the regret, because a search
  that keeps far from the cliff fails rarely and finds nothing.
- Copies: the share of the later half of trials that copy, where copies score best.
"""

import argparse
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rows import print_row, row

from ldm.config import Crop, InputSize, TrialConfig
from ldm.recipes import demo
from orchestration.options import SamplerName, SweepOptions
from orchestration.search.searcher import make_searcher
from orchestration.study.evaluations import OBJECTIVES, Anchors, EpochObjectives
from orchestration.study.outcomes import FailureCause, TrialState
from search_spaces.landscape import (
    CLIFFS,
    COPIES,
    EQUAL_SIZES,
    FLOOR_AND_CEILING,
    LANDSCAPE,
    Landscape,
    hypervolume,
)
from search_spaces.named_trial import named_trial
from search_spaces.space import (
    DEFAULT_SPACE,
    FIRST_MILESTONES,
    GAMMAS,
    INPUT_SIZES,
    LEARNING_RATES,
    MILESTONE_GAPS,
    SEARCHED,
    Point,
    configure,
)

BASE = demo(Crop.PANCREAS)
N_TRIALS, N_SEEDS = 40, 20
AT_A_TIME = (1, 2, 8)
N_DRAWN = 50_000  # settings, to find the best possible scores of a landscape

SEARCH = SweepOptions(crop=Crop.PANCREAS).sampler  # that of a sweep, if no other is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One trial of a simulated study. ``is_searched`` is False for a known point."""

    config: TrialConfig
    is_searched: bool


@cache
def study(
    landscape: Landscape, seed: int, sampler: SamplerName, at_a_time: int = 1
) -> tuple[Tried, ...]:
    """Run a study, and return its trials in the order in which they started.

    ``at_a_time`` trials are always unfinished, and end in the order in which they started.
    """
    rng = np.random.default_rng(seed)
    tried: list[Tried] = []
    unfinished: deque[int] = deque()
    with tempfile.TemporaryDirectory() as folder:
        searcher = make_searcher(
            Path(folder), space=DEFAULT_SPACE, base=BASE, seed=seed, sampler=sampler
        )
        for number in range(N_TRIALS + at_a_time):
            if number >= at_a_time:
                ended = unfinished.popleft()
                report = last_report(landscape, tried[ended].config, rng)
                searcher.on_trial_complete(str(ended), report)
            if number < N_TRIALS:
                trial = named_trial(searcher.suggest(str(number)))
                tried.append(Tried(config=trial.config, is_searched=trial.name == SEARCHED))
                unfinished.append(number)
    return tuple(tried)


def last_report(
    landscape: Landscape, config: TrialConfig, rng: np.random.Generator
) -> dict[str, Any]:
    """Return what a trial reports to the searcher when it ends."""
    if landscape.fails(config):
        return {"state": str(TrialState.FAILED), "cause": str(FailureCause.NON_FINITE)}
    limits = zip(OBJECTIVES, FLOOR_AND_CEILING[config.image.input_size], strict=True)
    objectives = EpochObjectives(
        epoch=config.training.epochs,
        values=dict(zip(OBJECTIVES, landscape.raw(config, rng), strict=True)),
        anchors={
            name: Anchors(floor=floor, ceiling=ceiling, can_tell=True)
            for name, (floor, ceiling) in limits
        },
        is_copying=landscape.copies(config),
    )
    return {"state": str(TrialState.COMPLETE)} | objectives.report()


@cache
def best_possible(landscape: Landscape) -> float:
    """Return the hypervolume of the true scores of many random settings that do not fail."""
    rng = np.random.default_rng(0)
    low, high = np.log10(LEARNING_RATES)
    configs = (
        configure(
            BASE,
            Point(
                learning_rate=float(10 ** rng.uniform(low, high)),
                gamma=float(rng.uniform(*GAMMAS)),
                first_milestone=float(rng.uniform(*FIRST_MILESTONES)),
                milestone_gap=float(rng.uniform(*MILESTONE_GAPS)),
                input_size=str(rng.choice(INPUT_SIZES)),
            ),
        )
        for _ in range(N_DRAWN)
    )
    return hypervolume([landscape.quality(one) for one in configs if not landscape.fails(one)])


def regret(landscape: Landscape, tried: Sequence[Tried]) -> float:
    """Return the part of the best possible hypervolume that the trials of a study miss."""
    sound = [one.config for one in tried if not landscape.fails(one.config)]
    found = hypervolume([landscape.quality(config) for config in sound])
    return 1 - found / best_possible(landscape)


def later_half(tried: Sequence[Tried]) -> list[TrialConfig]:
    return [one.config for one in tried[len(tried) // 2 :]]


def share_of_size(tried: Sequence[Tried], size: InputSize) -> float:
    return float(np.mean([config.image.input_size is size for config in later_half(tried)]))


def measure_regret(seeds: range, sampler: SamplerName) -> None:
    for at_a_time in AT_A_TIME:
        ours, theirs = (
            median(regret(LANDSCAPE, study(LANDSCAPE, seed, one, at_a_time)) for seed in seeds)
            for one in (sampler, SamplerName.RANDOM)
        )
        print_row(
            row(
                f"{sampler}: regret, {at_a_time} at a time, median of {len(seeds)} seeds",
                ours,
                unit="share of hypervolume",
                baseline=theirs,
                at_most=0.5,
            )
        )


def measure_sizes(seeds: range, sampler: SamplerName) -> None:
    studies = [study(EQUAL_SIZES, seed, sampler) for seed in seeds]
    for size in InputSize:
        share = float(np.mean([share_of_size(tried, size) for tried in studies]))
        name = f"{EQUAL_SIZES.name}: share of later trials with {size}, mean of {len(seeds)} seeds"
        print_row(row(f"{sampler}: {name}", share, unit="share"))


def measure_cliffs(seeds: range, sampler: SamplerName) -> None:
    for cliff in CLIFFS:
        pairs = [
            [study(cliff, seed, one) for seed in seeds] for one in (sampler, SamplerName.RANDOM)
        ]
        ours, theirs = (median(n_failed(cliff, tried) for tried in studies) for studies in pairs)
        name = f"{sampler}: {cliff.name}: searched trials that fail, median of {len(seeds)} seeds"
        print_row(row(name, ours, unit="trials", baseline=theirs, at_most=1.0))
        ours, theirs = (median(regret(cliff, tried) for tried in studies) for studies in pairs)
        name = f"{sampler}: {cliff.name}: regret, median of {len(seeds)} seeds"
        print_row(row(name, ours, unit="share of hypervolume", baseline=theirs))


def measure_copies(seeds: range, sampler: SamplerName) -> None:
    ours, theirs = (
        float(np.mean([share_of_copies(study(COPIES, seed, one)) for seed in seeds]))
        for one in (sampler, SamplerName.RANDOM)
    )
    name = f"{COPIES.name}: share of later trials that copy, mean of {len(seeds)} seeds"
    print_row(row(f"{sampler}: {name}", ours, unit="share", baseline=theirs, at_most=1.0))


def n_failed(landscape: Landscape, tried: Sequence[Tried]) -> int:
    return sum(one.is_searched and landscape.fails(one.config) for one in tried)


def share_of_copies(tried: Sequence[Tried]) -> float:
    return float(np.mean([COPIES.copies(config) for config in later_half(tried)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="1 seed")
    parser.add_argument("--sampler", type=SamplerName, default=SEARCH, choices=list(SamplerName))
    given = parser.parse_args()
    seeds = range(1 if given.quick else N_SEEDS)
    for measure in (measure_regret, measure_cliffs, measure_copies, measure_sizes):
        measure(seeds, given.sampler)


if __name__ == "__main__":
    main()
