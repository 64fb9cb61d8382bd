"""The evaluator writes the scores of an epoch once and returns the objectives."""

import dataclasses

import pytest
import torch

from evaluation.organs.weights import PHANTOM_WEIGHTS
from ldm.config import Crop, InputSize
from ldm.data.geometry.volume import read_volume
from ldm.data.latents.store import read_manifest
from ldm.data.latents.whitening import whitening_statistics
from ldm.data.phantom.phantom import make_phantom
from ldm.diffusion.checkpoint import Sampler, save_sampler
from ldm.diffusion.denoiser import build_denoiser
from ldm.recipes import PHANTOM_AUTOENCODER, demo
from orchestration.scoring.evaluator import Evaluator
from orchestration.scoring.evaluator_config import EvaluatorConfig, ScoringFolders
from orchestration.study.evaluations import OBJECTIVES, read_evaluation, write_evaluation
from tests.support.small_outcomes import evaluation
from tests.support.small_store import write_store
from tests.support.small_training import tiny_config
from tests.support.unseen_phantoms import on_grid

EPOCH = 4


def phantoms(seeds):
    """Whole phantoms by name, on the grid of the demo."""
    return [(f"phantom_{seed}", on_grid(make_phantom(seed), Crop.FULL_BODY)) for seed in seeds]


def small_config():
    """The demo of whole phantoms with a tiny network: two samples of two steps."""
    base = demo(Crop.FULL_BODY)
    return dataclasses.replace(
        base,
        image=dataclasses.replace(base.image, input_size=InputSize.FIT),
        denoiser=tiny_config().denoiser,
        sampling=dataclasses.replace(base.sampling, n_samples=2, n_steps=2),
    )


def save_weights(folder, config, store):
    """Save untrained weights."""
    torch.manual_seed(1)
    network = build_denoiser(config.denoiser, config.latent_shape[0])
    latents = read_manifest(store).latents
    sampler = Sampler(
        config=config,
        whitening=whitening_statistics(latents, config.training.whitening),
        epoch=EPOCH,
        weights=dict(network.state_dict()),
    )
    save_sampler(folder, sampler)
    return folder


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """An evaluator, the folder of weights that it has scored, and the objectives it returned."""
    storage, config = tmp_path_factory.mktemp("evaluator"), small_config()
    store = write_store(
        storage / "store",
        latent_shape=config.latent_shape,
        train=phantoms(range(3)),
        held_out=phantoms(range(3, 5)),
    )
    folders = ScoringFolders(store=store, references=storage / "references")
    evaluator = Evaluator(
        EvaluatorConfig(
            base=config,
            images={},
            masks={},
            folders={InputSize.FIT: folders},
            autoencoder=PHANTOM_AUTOENCODER,
            segmenter_weights=PHANTOM_WEIGHTS,
            device="cpu",
            n_threads=1,
        )
    )
    folder = save_weights(storage / "trial" / f"epoch_{EPOCH:04d}", config, store)
    return evaluator, folder, evaluator.evaluate(folder)


def test_the_returned_objectives_are_those_in_the_file(scored):
    _, folder, told = scored
    assert told == read_evaluation(folder).objectives()
    assert told.epoch == EPOCH
    assert set(told.values) == set(OBJECTIVES)


def test_every_score_uses_all_samples(scored):
    _, folder, _ = scored
    scores = read_evaluation(folder).scores
    assert {scores[name].score.n for name in OBJECTIVES} == {2}
    assert len(scores.measurements) > len(OBJECTIVES)


def test_samples_are_written_at_the_mean_spacing_of_training_scans(scored):
    _, folder, _ = scored
    first, second = sorted((folder / "samples").iterdir())
    assert (first.name, second.name) == ("sample_00.nii.gz", "sample_01.nii.gz")
    sample, (_, real) = read_volume(first), phantoms([0])[0]
    assert sample.array.shape == real.array.shape
    assert sample.spacing_mm == pytest.approx(real.spacing_mm, rel=0.1)


def test_pictures_are_written_next_to_the_scores(scored):
    _, folder, _ = scored
    assert (folder / "panel.png").is_file()
    assert (folder / "histogram.png").is_file()


def test_the_untrained_model_only_has_objectives(scored):
    _, folder, _ = scored
    untrained = read_evaluation(folder).untrained.measurements
    assert {one.name for one in untrained} == set(OBJECTIVES)


def test_without_expert_masks_there_is_no_dice_ladder(scored):
    _, folder, _ = scored
    found = read_evaluation(folder)
    assert (found.real_dice, found.autoencoder_dice) == (None, None)
    assert "denoised_dice" not in {one.name for one in found.scores.measurements}


def test_reference_scores_are_measured_only_once(scored):
    evaluator, folder, _ = scored
    (kept,) = (folder.parents[1] / "references").rglob("untrained-*/scores.json")
    before = kept.stat().st_mtime_ns
    evaluator.prepare_for(small_config())
    assert kept.stat().st_mtime_ns == before


def test_an_epoch_with_a_file_of_scores_is_not_scored_again(scored, tmp_path):
    evaluator, _, _ = scored
    write_evaluation(tmp_path, evaluation(12.5, 0.7, epoch=9))  # it has no weights
    assert evaluator.evaluate(tmp_path) == evaluation(12.5, 0.7, epoch=9).objectives()
