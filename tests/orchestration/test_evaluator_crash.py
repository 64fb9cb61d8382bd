"""A sample that crashes the evaluation actor is tried again, then recorded as failed."""

import dataclasses
import json
import threading
import time

import psutil
import pytest
import ray
import torch

from evaluation.organs.weights import PHANTOM_WEIGHTS
from ldm.config import Crop, InputSize
from ldm.data.latents.store import read_manifest
from ldm.data.latents.whitening import whitening_statistics
from ldm.diffusion.checkpoint import Sampler, save_sampler
from ldm.diffusion.denoiser import build_denoiser
from ldm.recipes import PHANTOM_AUTOENCODER, demo
from orchestration.scoring.evaluation_actor import start_evaluator
from orchestration.scoring.evaluator_config import EvaluatorConfig, ScoringFolders
from orchestration.study.evaluations import read_evaluation
from tests.support.held_out_images import held_out_images
from tests.support.preparation import finish, start


@pytest.fixture
def evaluator(phantom_folder, tmp_path):
    """The actor of a sweep, and untrained weights for it to score."""
    finish(start(phantom_folder, tmp_path, "--input-size", "fit"))
    (manifest,) = (tmp_path / "latents").glob("[!.]*/manifest.json")
    base = demo(Crop.PANCREAS)
    sampling = dataclasses.replace(base.sampling, n_samples=2)
    config = dataclasses.replace(base, sampling=sampling)
    latents = read_manifest(manifest.parent).latents
    sampler = Sampler(
        config=config,
        whitening=whitening_statistics(latents, config.training.whitening),
        epoch=1,
        weights=dict(build_denoiser(config.denoiser, config.latent_shape[0]).state_dict()),
    )
    torch.manual_seed(0)
    save_sampler(tmp_path / "epoch_0001", sampler)
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    folders = ScoringFolders(store=manifest.parent, references=tmp_path / "references")
    actor = start_evaluator(
        EvaluatorConfig(
            base=config,
            images=held_out_images(manifest.parent),
            masks={},
            folders={InputSize.FIT: folders},
            autoencoder=PHANTOM_AUTOENCODER,
            segmenter_weights=PHANTOM_WEIGHTS,
            device="cpu",
            n_threads=1,
        ),
        name="evaluator-that-dies",
        n_gpus=0,
    )
    yield actor, tmp_path / "epoch_0001"
    ray.shutdown()


def kill_twice_at(folder, name):
    """Kill the process of the actor when it starts a sample, and its next process too."""
    log, n_killed = folder / "attempts.json", 0
    while n_killed < 2:
        begun = json.loads(log.read_text()) if log.is_file() else {}
        if begun.get(name, 0) == n_killed + 1:
            (actor,) = (
                process
                for process in psutil.process_iter(["name"])
                if process.info["name"].startswith("ray::EvaluationActor")
            )
            actor.kill()
            n_killed += 1
        time.sleep(0.005)


@pytest.mark.slow
def test_a_sample_that_crashes_twice_is_recorded_and_the_others_are_scored(evaluator):
    actor, folder = evaluator
    killer = threading.Thread(target=kill_twice_at, args=(folder, "sample_01"), daemon=True)
    killer.start()
    ray.get(actor.evaluate.remote(str(folder)))
    killer.join(timeout=1)
    assert not killer.is_alive()
    evaluation = read_evaluation(folder)
    assert evaluation.failed == ("sample_01",)
    assert evaluation.scores["totalsegmentator_dice"].score.n == 2
    assert evaluation.scores["histogram_distance_hu"].score.n == 2
