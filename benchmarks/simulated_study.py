"""Simulated studies: the searcher of a sweep on synthetic landscapes, without training."""

import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.measurement import Better, Measurement, Measurements
from evaluation.score import MIN_VOLUMES, Score
from ldm.config import Crop, TrialConfig
from ldm.recipes import demo
from orchestration.options import SamplerName
from orchestration.search.rungs import RUNG_SHARES, stop_reason
from orchestration.search.searcher import StudySearch
from orchestration.study.evaluations import OBJECTIVES, Anchors, EpochObjectives, Evaluation
from orchestration.study.outcomes import Cause, TrialState
from search_spaces.landscape import FLOOR_AND_CEILING, NOISE, Landscape, hypervolume
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
N_TRIALS = 40
N_DRAWN = 50_000  # settings, to find the best possible scores of a landscape


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
        searcher = StudySearch(
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
        return {"state": str(TrialState.FAILED), "cause": str(Cause.NON_FINITE)}
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


def stopped(landscape: Landscape, seed: int) -> tuple[float, float]:
    """Stop trials of a study of random search. Returns the shares of epochs saved and of area lost.

    Each trial reaches its rungs before the next one does.
    """
    rng = np.random.default_rng(seed)
    configs = [one.config for one in study(landscape, seed, SamplerName.RANDOM)]
    at_rung: dict[float, list[Evaluation]] = {share: [] for share in RUNG_SHARES}
    kept, trained = [], 0.0
    for config in configs:
        for share, others in at_rung.items():
            one = evaluation_of(landscape, config, share, rng)
            reason = stop_reason(one, others)
            others.append(one)
            if reason is not None:
                trained += share
                break
        else:
            trained += 1.0
            kept.append(config)
    every, of_kept = (
        hypervolume([landscape.quality(config) for config in some]) for some in (configs, kept)
    )
    return 1 - trained / len(configs), 1 - of_kept / every


def evaluation_of(
    landscape: Landscape, config: TrialConfig, progress: float, rng: np.random.Generator
) -> Evaluation:
    """Return the evaluation of a trial after a share of its epochs, with its 95 % intervals."""
    limits = FLOOR_AND_CEILING[config.image.input_size]
    measured = zip(OBJECTIVES, landscape.raw(config, rng, progress), limits, strict=True)
    measurements = tuple(
        Measurement(
            name=name,
            unit="",
            better=Better.LOWER if OBJECTIVES[name] == "min" else Better.HIGHER,
            score=interval(value, 1.96 * NOISE * abs(ceiling - floor)),
            real=interval(ceiling, 0.0),
            nonsense=interval(floor, 0.0),
        )
        for name, value, (floor, ceiling) in measured
    )
    return Evaluation(
        epoch=round(progress * config.training.epochs),
        scores=Measurements(measurements=measurements),
        untrained=Measurements(measurements=()),
        real_dice=None,
        autoencoder_dice=None,
        failed=(),
        copying=None,
        seconds=0.0,
    )


def interval(value: float, half: float) -> Score:
    return Score(value=value, low=value - half, high=value + half, n=MIN_VOLUMES)
