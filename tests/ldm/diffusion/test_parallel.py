"""Splitting a batch into parts or among workers does not change the training, up to rounding."""

import dataclasses
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from torch import distributed

from ldm.config import Objective
from ldm.diffusion.parallel import Workers
from ldm.errors import InputError
from ldm.execution import PLAIN, Execution
from tests.support.small_training import random_latents, run_epochs, tiny_config, tiny_training

N_SCANS = 9  # batches of 4, 4 and 1, so that the second worker has no scan of the last one
EPOCHS = 7  # with 3 steps each


def config_of(objective=Objective.RECTIFIED_FLOW, **training):
    return tiny_config(epochs=EPOCHS, objective=objective, gradient_clip_norm=None, **training)


def train(execution, config=None, n_epochs=EPOCHS):
    """Train and return the reports and the final weights."""
    training = tiny_training(config or config_of(), random_latents(N_SCANS), execution)
    reports = run_epochs(training, n_epochs)
    return reports, training.network.state_dict()


def work(rank, n_workers, meeting, execution, config):
    """Train as one of several processes, which meet through the file ``meeting``."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=n_workers
    )
    try:
        reports, weights = train(execution, config)
    finally:
        distributed.destroy_process_group()
    return reports, {name: value.numpy() for name, value in weights.items()}


def train_together(n_workers, meeting, execution=PLAIN, config=None):
    """Train in several processes and return the reports and weights of each."""
    with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
        given = [(rank, n_workers, meeting, execution, config) for rank in range(n_workers)]
        return list(pool.map(work, *zip(*given, strict=True)))


def values(reports, name):
    return [getattr(report, name) for report in reports]


def test_parts_hold_each_scan_once_and_their_weights_sum_to_the_number_of_workers():
    for n_scans in range(1, 10):
        parts = [p for rank in range(3) for p in Workers(rank=rank, n=3).parts(n_scans, 2)]
        weighty = [part for part in parts if part.weight]
        assert sorted(row for part in weighty for row in part.rows) == list(range(n_scans))
        assert sum(part.weight for part in parts) == pytest.approx(3)
        assert all(part.weight == len(part.rows) / n_scans * 3 for part in weighty)
        assert max(len(part.rows) for part in parts) <= 2
        assert sum(part.is_last for part in parts) == 3


@pytest.mark.parametrize(("objective", "size"), list(zip(Objective, (1, 3, 3), strict=True)))
def test_accumulated_gradients_train_as_a_whole_batch_does(objective, size):
    config = config_of(objective)
    whole, weights = train(PLAIN, config, n_epochs=1)
    accumulated, other = train(Execution(micro_batch_size=size), config, n_epochs=1)
    for name in ("loss", "trivial_loss", "gradient_norm"):
        assert values(accumulated, name) == pytest.approx(values(whole, name), rel=1e-4)
    for name, value in weights.items():
        torch.testing.assert_close(other[name], value, atol=1e-4, rtol=1e-3)


@pytest.fixture(scope="module")
def alone():
    return train(PLAIN)[0]


def test_two_workers_have_the_loss_curve_of_one(tmp_path, alone):
    execution = Execution(micro_batch_size=1)
    (first, weights), (second, others) = train_together(2, tmp_path / "meeting", execution)
    assert first[-1].step == 21
    for name in ("loss", "trivial_loss", "gradient_norm"):
        assert values(first, name) == pytest.approx(values(alone, name), rel=1e-3)
        assert values(second, name) == values(first, name)
    for name, value in weights.items():
        assert (others[name] == value).all(), name


@pytest.mark.slow
def test_a_loss_that_breaks_stops_both_workers_naming_the_step(tmp_path):
    schedule = dataclasses.replace(config_of().training.schedule, learning_rate=0.9)
    config = config_of(schedule=schedule)
    with pytest.raises(Exception, match=r"nan at step \d+ \(epoch \d, learning rate"):
        train_together(2, tmp_path / "meeting", config=config)


def test_a_part_has_a_scan_or_more():
    with pytest.raises(InputError, match="micro_batch_size must be 1 or more, got 0"):
        Execution(micro_batch_size=0)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # the compiler takes minutes
def test_a_compiled_network_trains_as_it_does_uncompiled(alone):
    compiled, _ = train(Execution(is_compiled=True))
    assert values(compiled, "loss") == pytest.approx(values(alone, "loss"), rel=1e-3)
