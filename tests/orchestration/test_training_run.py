"""How a worker reads latents, and what it does if memory is too small for a step."""

import sys
from pathlib import Path

import numpy as np
import pytest
import ray
import ray.cloudpickle
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from evaluation.organs.weights import PHANTOM_WEIGHTS
from ldm.config import Crop, InputSize
from ldm.data.latents.store import LatentStore
from ldm.execution import PLAIN
from ldm.recipes import PHANTOM_AUTOENCODER, demo
from orchestration.scoring.evaluation_actor import start_evaluator
from orchestration.scoring.evaluator_config import EvaluatorConfig, ScoringFolders
from orchestration.study.outcomes import TrialState, read_training
from orchestration.trials.training_run import shared_tensors
from orchestration.trials.trial import train_worker
from orchestration.trials.trial_job import TrialJob
from tests.support.held_out_images import held_out_images
from tests.support.preparation import finish, start


@pytest.fixture(scope="module")
def local_ray():
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
    yield
    ray.shutdown()


def mapping_of(address):
    """Return the name of the memory mapping that contains an address of this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = (int(end, 16) for end in line.split()[0].split("-"))
        if low <= address < high:
            return line
    raise AssertionError(f"nothing is mapped at {address:x}")


@pytest.mark.usefixtures("local_ray")
def test_latents_are_shared_in_memory_and_not_copied():
    array = np.arange(1 << 20, dtype=np.float16).reshape(4, -1)
    references = (ray.put(array), ray.put(array))

    def look(given):
        tensors = shared_tensors(given)
        return [(mapping_of(t.data_ptr()), float(t[3, 5])) for t in tensors]

    found = ray.get(ray.remote(look).remote(references))
    assert [value for _, value in found] == [float(array[3, 5])] * 2
    assert all("/dev/shm" in line and "plasma" in line for line, _ in found)


@pytest.fixture
def store(phantom_folder, tmp_path):
    """The latents of six phantoms, prepared as in a sweep."""
    finish(start(phantom_folder, tmp_path, "--input-size", "fit"))
    (manifest,) = (tmp_path / "latents").glob("[!.]*/manifest.json")
    return manifest.parent


def train_where_one_lacks_memory(given):
    """Train in a worker. The second worker runs out of memory in the third step."""
    import torch

    from ldm.diffusion.train import Training

    plain = Training.step

    def step(self, batch):
        if self.workers.rank == 1 and self.position.step == 2:
            raise torch.OutOfMemoryError("a GPU would say so")
        return plain(self, batch)

    Training.step = step
    train_worker(given)


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_trial_fails_if_one_of_two_workers_runs_out_of_memory(store, tmp_path):
    config = demo(Crop.PANCREAS)
    evaluator = start_evaluator(  # ends with the last reference to it
        EvaluatorConfig(
            base=config,
            images=held_out_images(store),
            masks={},
            folders={
                InputSize.FIT: ScoringFolders(store=store, references=tmp_path / "references")
            },
            autoencoder=PHANTOM_AUTOENCODER,
            segmenter_weights=PHANTOM_WEIGHTS,
            device="cpu",
            n_threads=1,
        ),
        name="evaluator-of-two",
        n_gpus=0,
    )
    job = TrialJob(
        config=config,
        folder=tmp_path / "trials" / "one",
        store=store,
        evaluator="evaluator-of-two",
        n_threads=1,
        n_workers=2,
        execution=PLAIN,
    )
    TorchTrainer(
        train_where_one_lacks_memory,
        train_loop_config={"job": job, "latents": [*map(ray.put, LatentStore(store).posterior())]},
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 0.5}),
        run_config=RunConfig(
            name="one",
            storage_path=str(tmp_path / "train"),
            failure_config=FailureConfig(max_failures=1),
        ),
    ).fit()
    ray.kill(evaluator)
    outcome = read_training(job.folder)
    assert outcome.state is TrialState.FAILED
    assert "the GPU ran out of memory in a training step with batches of 1" in outcome.reason
