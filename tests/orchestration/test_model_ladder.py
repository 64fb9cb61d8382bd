"""The score of denoised scans falls with the error of the model."""

import numpy as np
import pytest
import torch

from evaluation.organs.ladder import DiceLadder, MaskedScan
from evaluation.organs.placement import Host
from evaluation.organs.segmentation import PHANTOM_WEIGHTS, TOTAL_3MM, WarmSegmenter
from ldm.autoencoder.model import load_autoencoder
from ldm.autoencoder.request import trunk_of_phantom
from ldm.config import Crop
from ldm.data.cohort.inspection import bounding_box
from ldm.data.geometry.crop import find_box
from ldm.data.geometry.field_of_view import whole_view
from ldm.data.geometry.grid import to_grid
from ldm.data.geometry.volume import write_labels, write_volume
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.data.phantom.canvas import Organ
from ldm.data.phantom.phantom import make_phantom
from ldm.diffusion.checkpoint import Sampler
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, demo
from orchestration.scoring.model_ladder import ModelLadder
from tests.support.oracle import Oracle

SEEDS = range(400_100, 400_104)  # seeds that no training used
DOSES = (0.0, 0.5, 1.0, 2.0, 4.0)  # standard deviations of a latent
CONFIG = demo(Crop.PANCREAS)
WHITENING = WhiteningStatistics(mean=(0.0,) * 4, std=(1.0,) * 4)


def held_out(folder, seed):
    """Write a phantom and its expert mask, and return them with its crop on the model's grid."""
    made = make_phantom(seed)
    mask = made.organs == Organ.PANCREAS
    box = find_box(
        CONFIG.image.crop,
        made.scan,
        mask_box=bounding_box(mask),
        margin_mm=0.0,
        find_trunk=trunk_of_phantom,
    )
    image, labels = folder / f"{seed}.nii.gz", folder / f"{seed}_mask.nii.gz"
    write_volume(image, made.scan)
    write_labels(labels, mask.astype(np.uint8), made.scan.affine)
    scan = MaskedScan(case_id=str(seed), host=Host(image=image, view=whole_view(box)), mask=labels)
    return scan, to_grid(made.scan, scan.host.view, CONFIG.image.grid_voxels)


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    folder, device = tmp_path_factory.mktemp("held_out"), torch.device("cpu")
    scans, reals = zip(*(held_out(folder, seed) for seed in SEEDS), strict=True)
    segment = WarmSegmenter(TOTAL_3MM, weights=PHANTOM_WEIGHTS)
    network = load_autoencoder(DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, device)
    return ModelLadder(DiceLadder(scans, segment, is_put_back=True), reals, network, device, folder)


def denoised(ladder, believed):
    """Return the score of a model that predicts the latents ``believed`` for all noise."""
    sampler = Sampler(config=CONFIG, whitening=WHITENING, epoch=1, weights={})
    model = Oracle(believed, CONFIG.training.objective)
    return ladder.denoised_dice(model, sampler).score.value


@pytest.mark.slow
def test_the_score_falls_from_ceiling_to_floor_with_the_error_of_the_model(ladder):
    latents, rungs = ladder._latents, ladder.rungs
    error = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)) * latents.std()
    scores = [denoised(ladder, latents + dose * error) for dose in DOSES]
    print(f"\nDice {scores} of {rungs.denoised_ceiling.value}, {rungs.denoised_floor.value}")
    assert scores[0] == pytest.approx(rungs.denoised_ceiling.value, abs=0.02)
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < rungs.denoised_floor.high


@pytest.mark.slow
def test_the_anatomy_of_another_patient_scores_less_but_above_noise(ladder):
    own, others = (denoised(ladder, ladder._latents.roll(by, 0)) for by in (0, 1))
    print(f"\nown {own}, another's {others}")
    assert ladder.rungs.denoised_floor.high < others < own - 0.05
