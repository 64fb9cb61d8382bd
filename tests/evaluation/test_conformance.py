"""What every score must satisfy: order, batches, one scan, air, nulls, and known damage."""

from functools import cache

import numpy as np
import pytest

from evaluation.damage.kinds import DOSES, Damage, Subjects, damaged
from evaluation.features.extraction import RANDOM
from evaluation.measurement import Better
from evaluation.metric import Against, RealScans, null_score, real_score, score_of
from evaluation.metrics import metrics_for
from evaluation.score import bootstrap
from ldm.config import Crop
from ldm.data.geometry.volume import Volume
from ldm.data.phantom.canvas import Organ
from tests.support.small_cohort import GRID, observe, observe_phantoms, phantoms

N_TRAINING, N_HELD_OUT, N_SAMPLES = 10, 8, 6
SEEDS = range(N_TRAINING + N_HELD_OUT, N_TRAINING + N_HELD_OUT + N_SAMPLES)
METRICS = metrics_for(Crop.FULL_BODY, [RANDOM], has_organs=True)
AGAINST_REAL = [metric for metric in METRICS if metric.against is Against.HELD_OUT]
WITHOUT_ORGANS = [metric for metric in METRICS if not metric.needs_organs]


def each(metrics):
    return pytest.mark.parametrize("metric", metrics, ids=[metric.name for metric in metrics])


@cache
def real_scans():
    """Return observations of phantoms with their true organs, split into held-out and training."""
    seen = observe_phantoms(range(N_TRAINING + N_HELD_OUT))
    return RealScans(training=seen[:N_TRAINING], held_out=seen[N_TRAINING:])


@cache
def samples():
    """Return observations of phantoms that do not belong to the cohort."""
    return observe_phantoms(SEEDS)


@cache
def air():
    """Return observations of volumes of air, in which no organ is found."""
    hu = np.full(GRID, -1000, np.float32)
    named = [(f"air_{i}", Volume(array=hu, affine=np.diag([6.0, 6.0, 6.0, 1.0]))) for i in (0, 1)]
    return observe(named, [np.zeros(GRID, np.uint8)] * 2)


def reference(metric):
    return real_scans().reference(metric)


@each(METRICS)
def test_the_order_of_volumes_does_not_matter(metric):
    forward = metric.value(samples(), reference(metric))
    backward = metric.value(samples()[::-1], reference(metric)[::-1])
    assert backward == pytest.approx(forward, rel=1e-6, abs=1e-9)


@each(METRICS)
def test_a_part_scores_as_if_it_had_been_prepared_alone(metric):
    statistic = metric.prepare(samples(), reference(metric))
    chosen, others = np.array([1, 3, 4]), np.arange(len(reference(metric)))
    alone = metric.value([samples()[i] for i in chosen], reference(metric))
    assert statistic(chosen, others) == pytest.approx(alone, rel=1e-6, abs=1e-9)


# Density is left out: it counts neighborhoods, so another set can have more than the set itself.
@each([metric for metric in AGAINST_REAL if not metric.name.startswith("density")])
def test_a_set_is_as_near_to_itself_as_any(metric):
    scans = real_scans().held_out
    sign = -1 if metric.better is Better.HIGHER else 1
    to_itself, to_others = metric.value(scans, scans), metric.value(samples(), scans)
    assert sign * to_itself <= sign * to_others + 1e-9


@each(METRICS)
def test_the_fewest_volumes_that_a_metric_takes_have_a_score(metric):
    score = score_of(metric, samples()[: metric.min_volumes], real_scans())
    assert np.isfinite(score.value)
    assert score.n == metric.min_volumes


@each(METRICS)
def test_air_has_a_score_and_the_metric_says_which(metric):
    assert np.isfinite(metric.value(air(), reference(metric)))
    assert metric.empty


@each(AGAINST_REAL)
def test_random_halves_lie_in_their_null_interval_95_times_in_100(metric):
    pool = (*real_scans().held_out, *real_scans().training)
    half = len(pool) // 2
    null = null_score(metric, pool, n=half, n_reference=half)
    statistic, rng = metric.prepare(pool, pool), np.random.default_rng(1)
    drawn = [statistic(*np.split(rng.permutation(len(pool)), 2)) for _ in range(200)]
    inside = sum(null.low - 1e-9 <= value <= null.high + 1e-9 for value in drawn)
    assert inside >= 178  # 190 expected; both the interval and these draws are random


@each([metric for metric in METRICS if metric.name in ("totalsegmentator_dice", "ms_ssim")])
def test_the_interval_covers_the_score_of_all_scans(metric):
    everything = (*real_scans().held_out, *real_scans().training)
    statistic, rng = metric.prepare(everything, ()), np.random.default_rng(2)
    truth, nobody = statistic(np.arange(len(everything)), np.arange(0)), np.arange(0)
    n_covered = 0
    for _ in range(40):
        drawn = rng.integers(0, len(everything), 12)
        score = bootstrap(12, lambda index, drawn=drawn: statistic(drawn[index], nobody))
        n_covered += score.low <= truth <= score.high
    assert n_covered >= 32  # 38 expected; intervals over few volumes are too narrow


# Known damage


@cache
def subjects():
    return Subjects(
        samples=phantoms(SEEDS),
        without_pancreas=phantoms(SEEDS, frozenset({Organ.PANCREAS})),
        training=phantoms(range(N_TRAINING)),
    )


@cache
def doses(damage):
    """Return observations of the samples, first undamaged, then at each dose, without organs."""
    return (
        observe(subjects().samples),
        *(observe(damaged(subjects(), damage, dose)) for dose in DOSES[damage]),
    )


@cache
def null_of(metric):
    """Return the score of real scans in the place of the samples."""
    return real_score(metric, real_scans(), n=N_SAMPLES)


def badness(metric, damage):
    """Return how bad each dose is, in half widths of the interval of real scans."""
    real = null_of(metric)
    values = np.array([metric.value(seen, reference(metric)) for seen in doses(damage)])
    if metric.better is Better.NEARER:
        values = np.abs(values - real.value)
    elif metric.better is Better.HIGHER:
        values = real.value - values
    else:
        values = values - real.value
    return values / max((real.high - real.low) / 2, 1e-3)


@each(WITHOUT_ORGANS)  # on top: all metrics see one damage after the other, and share its searches
@pytest.mark.parametrize("damage", Damage)
def test_a_score_sees_damage_more_with_each_dose_or_says_that_it_is_blind(metric, damage):
    by_dose = badness(metric, damage)
    growth = by_dose - by_dose[0]
    if damage in metric.blind_to:
        assert growth[-1] < 2
        return
    assert growth[-1] > 1
    assert (np.diff(growth) > -1).all()
    assert growth[-1] > growth.max() - 1
