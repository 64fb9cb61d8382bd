"""A worker: what it takes from the object store, what it does when memory lacks for a step."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import ray
import ray.cloudpickle
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from ldm.config import Crop
from ldm.data.latent_statistics import LatentStatistics
from ldm.data.store import STORE_VERSION, StoreManifest
from ldm.dataclass_json import to_dict
from ldm.execution import PLAIN
from ldm.recipes import demo
from orchestration.outcomes import TrialState, read_outcome
from orchestration.training_run import shared_tensors
from orchestration.trial import TrialJob


@pytest.fixture(scope="module")
def local_ray():
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
    yield
    ray.shutdown()


def mapping_of(address):
    """The name of the memory mapping that an address of this process lies in."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = (int(end, 16) for end in line.split()[0].split("-"))
        if low <= address < high:
            return line
    raise AssertionError(f"nothing is mapped at {address:x}")


@pytest.mark.usefixtures("local_ray")
def test_latents_are_read_in_the_nodes_shared_memory_not_copied():
    array = np.arange(1 << 20, dtype=np.float16).reshape(4, -1)
    references = (ray.put(array), ray.put(array))

    def look(given):
        tensors = shared_tensors(given)
        return [(mapping_of(t.data_ptr()), float(t[3, 5])) for t in tensors]

    found = ray.get(ray.remote(look).remote(references))
    assert [value for _, value in found] == [float(array[3, 5])] * 2
    assert all("/dev/shm" in line and "plasma" in line for line, _ in found)


def small_job(folder):
    """A trial of two workers, and a store that says no more than how latents are whitened."""
    config = demo(Crop.PANCREAS)
    store = folder / "store"
    store.mkdir()
    manifest = StoreManifest(
        version=STORE_VERSION,
        fingerprint=store.name,
        is_phantom=True,
        scans=(),
        exclusions=(),
        latents=LatentStatistics(mean=(0.0,) * 4, std=(1.0,) * 4, scale_std=1.0),
    )
    (store / "manifest.json").write_text(json.dumps(to_dict(manifest)))
    return TrialJob(
        config=config,
        folder=folder / "trials" / "one",
        store=store,
        evaluator="none",
        n_threads=1,
        n_workers=2,
        execution=PLAIN,
    )


def train_where_one_lacks_memory(given):
    """In each worker: memory does not hold the third step of the second."""
    from unittest.mock import MagicMock

    import torch

    from ldm.train import Training
    from orchestration.training_run import TrainingRun

    plain = Training.step

    def step(self, batch):
        if self.workers.rank == 1 and self.position.step == 2:
            raise torch.OutOfMemoryError("a GPU would say so")
        return plain(self, batch)

    Training.step = step
    TrainingRun(given["job"], MagicMock(), given["latents"]).run()


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_memory_that_one_of_two_workers_lacks_ends_the_trial_for_both(tmp_path):
    job = small_job(tmp_path)
    array = np.zeros((6, *job.config.latent_shape), np.float16)
    TorchTrainer(
        train_where_one_lacks_memory,
        train_loop_config={"job": job, "latents": (ray.put(array), ray.put(array))},
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 0.5}),
        run_config=RunConfig(
            name="one",
            storage_path=str(tmp_path / "train"),
            failure_config=FailureConfig(max_failures=1),
        ),
    ).fit()
    outcome = read_outcome(job.folder)
    assert outcome.state is TrialState.FAILED
    assert "the GPU's memory did not hold a step with batches of 1" in outcome.reason
