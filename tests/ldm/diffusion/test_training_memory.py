"""Memory forecasts of training steps, and the batch sizes suggested from them."""

import dataclasses

import pytest

from ldm.config import Crop
from ldm.diffusion.training_memory import (
    out_of_memory_reason,
    require_memory,
    scans_at_once,
    training_memory_gib,
)
from ldm.errors import InputError
from ldm.execution import PLAIN, Execution
from ldm.recipes import full
from tests.support.small_training import tiny_config

N_SCANS = 281  # scans of Task07 with a mask


def smallest_config(**training):
    """Return the tiny configuration without its middle level: a forecast takes 40 % less time."""
    config = tiny_config(**training)
    network = dataclasses.replace(
        config.denoiser, channels=(8, 16), attention_levels=(False, True), head_channels=(0, 8)
    )
    return dataclasses.replace(config, denoiser=network)


def forecast(config, size, *, is_bfloat16=False):
    return training_memory_gib(config, size, n_scans=N_SCANS, is_bfloat16=is_bfloat16)


@pytest.fixture(scope="module")
def by_size():
    """Forecasts in GiB for 1 to 4 scans at once."""
    return {size: forecast(smallest_config(), size) for size in range(1, 5)}


def test_memory_grows_by_the_same_amount_for_each_scan(by_size):
    steps = [by_size[size + 1] - by_size[size] for size in (2, 3)]
    assert steps[0] > 0
    assert steps[1] == pytest.approx(steps[0], rel=0.05)


def test_half_precision_takes_less(by_size):
    assert forecast(smallest_config(), 4, is_bfloat16=True) < by_size[4]


def test_the_studys_size_fits_a_40_gib_card_and_holds_at_least_its_weights_and_latents():
    config = full(Crop.PANCREAS)
    in_bfloat16 = forecast(config, config.training.batch_size, is_bfloat16=True)
    latents = 2 * N_SCANS * 8 * 36 * 44 * 28 * 2 / 2**30
    weights = 5 * 190e6 * 4 / 2**30  # network, gradients, Adam's two moments, average
    assert latents + weights < in_bfloat16 < 40


def test_a_batch_that_does_not_fit_is_refused_and_one_that_does_is_suggested(by_size):
    available = (by_size[2] + by_size[3]) / 2
    match = rf"batches of 4 need .* {available:.1f} GiB are free: use --micro-batch 2"
    with pytest.raises(InputError, match=match):
        require_memory(
            smallest_config(), 4, n_scans=N_SCANS, is_bfloat16=False, available_gib=available
        )


def test_a_batch_that_fits_is_accepted(by_size):
    require_memory(
        smallest_config(), 4, n_scans=N_SCANS, is_bfloat16=False, available_gib=by_size[4]
    )


def test_a_gpu_that_is_too_small_for_one_scan_is_reported():
    with pytest.raises(InputError, match="not even one scan at a time fits"):
        require_memory(smallest_config(), 2, n_scans=N_SCANS, is_bfloat16=False, available_gib=1e-3)


def test_a_smaller_batch_is_suggested_after_memory_ran_out():
    big = dataclasses.replace(smallest_config(), image=full(Crop.PANCREAS).image)
    reason = out_of_memory_reason(big, 4, n_scans=8, is_bfloat16=False)
    assert "ran out of memory in a training step with batches of 4: use --micro-batch 3" in reason


@pytest.mark.parametrize(
    ("batch", "execution", "n_workers", "expected"),
    [(4, PLAIN, 1, 4), (4, PLAIN, 3, 2), (4, Execution(micro_batch_size=3), 1, 3)],
)
def test_the_largest_share_of_a_batch_counts(batch, execution, n_workers, expected):
    assert scans_at_once(smallest_config(batch_size=batch), execution, n_workers) == expected
