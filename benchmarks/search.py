"""Measure the search on synthetic landscapes, against random search, over many seeds.

    python benchmarks/search.py            # 20 seeds, ten minutes on one core
    python benchmarks/search.py --quick    # 3 seeds

No trial is trained: ``search_spaces.landscape`` gives its scores. The searcher, its storage and the
search space are those of a sweep. A study has 40 trials. The known points of the crop come first.

- Regret: the part of the hypervolume of the best possible scores that the trials of a study miss,
  by their true scores. The median over seeds, at 1, 2 and 8 trials at a time. Its baseline is that
  of random search with the same known points.
- Equal input sizes: the share of the later half of trials that have each input size, where all
  three are equally good. A third would be fair.
- Cliffs: how many of the searched trials fail where all learning rates above a cliff do, and the
  best one lies just below. The baseline is random search.
- Copies: the share of the later half of trials that copy, where copies score best.
"""

import argparse
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
from optuna.samplers import BaseSampler, RandomSampler
from rows import print_row, row

from ldm.config import Crop, InputSize, TrialConfig
from ldm.recipes import demo
from orchestration.search.searcher import make_searcher
from orchestration.study.evaluations import OBJECTIVES
from orchestration.study.outcomes import TrialState
from search_spaces.landscape import (
    CLIFFS,
    COPIES,
    EQUAL_SIZES,
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

MakeSampler = Callable[[int], BaseSampler]
RANDOM: MakeSampler = RandomSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One trial of a simulated study. ``is_searched`` is False for a known point."""

    config: TrialConfig
    is_searched: bool


def study(
    landscape: Landscape, seed: int, *, at_a_time: int = 1, sampler: MakeSampler | None = None
) -> list[Tried]:
    """Run a study, and return its trials in the order in which they started.

    ``at_a_time`` trials are always unfinished, and end in the order in which they started.
    ``sampler`` makes a sampler from the seed; None takes that of a sweep.
    """
    rng = np.random.default_rng(seed)
    tried: list[Tried] = []
    unfinished: deque[int] = deque()
    with tempfile.TemporaryDirectory() as folder:
        searcher = make_searcher(
            Path(folder),
            space=DEFAULT_SPACE,
            base=BASE,
            seed=seed,
            sampler=None if sampler is None else sampler(seed),
        )
        for number in range(N_TRIALS + at_a_time):
            if number >= at_a_time:
                ended = unfinished.popleft()
                config = tried[ended].config
                if landscape.fails(config):
                    searcher.on_trial_complete(str(ended), {"state": str(TrialState.FAILED)})
                else:
                    scores = zip(OBJECTIVES, landscape.raw(config, rng), strict=True)
                    result = {"state": str(TrialState.COMPLETE)} | dict(scores)
                    searcher.on_trial_complete(str(ended), result)
            if number < N_TRIALS:
                trial = named_trial(searcher.suggest(str(number)))
                tried.append(Tried(config=trial.config, is_searched=trial.name == SEARCHED))
                unfinished.append(number)
    return tried


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


def regret(landscape: Landscape, tried: list[Tried]) -> float:
    """Return the part of the best possible hypervolume that the trials of a study miss."""
    sound = [one.config for one in tried if not landscape.fails(one.config)]
    found = hypervolume([landscape.quality(config) for config in sound])
    return 1 - found / best_possible(landscape)


def later_half(tried: list[Tried]) -> list[TrialConfig]:
    return [one.config for one in tried[len(tried) // 2 :]]


def share_of_size(tried: list[Tried], size: InputSize) -> float:
    return float(np.mean([config.image.input_size is size for config in later_half(tried)]))


def measure_regret(seeds: range) -> None:
    for at_a_time in AT_A_TIME:
        ours, theirs = (
            median(
                regret(LANDSCAPE, study(LANDSCAPE, seed, at_a_time=at_a_time, sampler=sampler))
                for seed in seeds
            )
            for sampler in (None, RANDOM)
        )
        print_row(
            row(
                f"regret, {at_a_time} at a time, median of {len(seeds)} seeds",
                ours,
                unit="share of hypervolume",
                baseline=theirs,
                at_most=0.5,
            )
        )


def measure_sizes(seeds: range) -> None:
    studies = [study(EQUAL_SIZES, seed) for seed in seeds]
    for size in InputSize:
        share = float(np.mean([share_of_size(tried, size) for tried in studies]))
        name = f"{EQUAL_SIZES.name}: share of later trials with {size}, mean of {len(seeds)} seeds"
        print_row(row(name, share, unit="share"))


def measure_cliffs(seeds: range) -> None:
    for cliff in CLIFFS:
        ours, theirs = (
            median(n_failed(cliff, study(cliff, seed, sampler=sampler)) for seed in seeds)
            for sampler in (None, RANDOM)
        )
        name = f"{cliff.name}: searched trials that fail, median of {len(seeds)} seeds"
        print_row(row(name, ours, unit="trials", baseline=theirs, at_most=1.0))


def measure_copies(seeds: range) -> None:
    ours, theirs = (
        float(np.mean([share_of_copies(study(COPIES, seed, sampler=sampler)) for seed in seeds]))
        for sampler in (None, RANDOM)
    )
    name = f"{COPIES.name}: share of later trials that copy, mean of {len(seeds)} seeds"
    print_row(row(name, ours, unit="share", baseline=theirs, at_most=1.0))


def n_failed(landscape: Landscape, tried: list[Tried]) -> int:
    return sum(one.is_searched and landscape.fails(one.config) for one in tried)


def share_of_copies(tried: list[Tried]) -> float:
    return float(np.mean([COPIES.copies(config) for config in later_half(tried)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="3 seeds")
    seeds = range(3 if parser.parse_args().quick else N_SEEDS)
    for measure in (measure_regret, measure_sizes, measure_cliffs, measure_copies):
        measure(seeds)


if __name__ == "__main__":
    main()
