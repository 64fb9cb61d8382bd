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
- Early stopping: the share of GPU-hours that it saves in studies of random search, and the part of
  their hypervolume that it loses, by the true scores of the trials that were not stopped. At an
  early rung, trials have learned less and their learning rates are still high, so that some of the
  later best ones look poor.
- Copies: the share of the later half of trials that copy, where copies score best.
"""

import argparse
from collections.abc import Sequence
from statistics import median

import numpy as np
from rows import print_row, row
from simulated_study import Tried, regret, stopped, study

from ldm.config import Crop, InputSize, TrialConfig
from orchestration.options import SamplerName, SweepOptions
from search_spaces.landscape import CLIFFS, COPIES, EQUAL_SIZES, LANDSCAPE, Landscape

N_SEEDS, N_STOPPED_STUDIES = 20, 40
AT_A_TIME = (1, 2, 8)
SEARCH = SweepOptions(crop=Crop.PANCREAS).sampler  # that of a sweep, if no other is given


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


def measure_stopping(seeds: range) -> None:
    saved, lost = zip(*(stopped(LANDSCAPE, seed) for seed in seeds), strict=True)
    name = f"early stopping: GPU-hours saved, median of {len(seeds)} studies"
    print_row(row(name, median(saved), unit="share", at_least=0.6))
    name = f"early stopping: hypervolume lost, largest of {len(seeds)} studies"
    print_row(row(name, max(lost), unit="share", at_most=0.01))


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
    measure_stopping(range(N_STOPPED_STUDIES))


if __name__ == "__main__":
    main()
