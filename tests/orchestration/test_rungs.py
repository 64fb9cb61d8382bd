"""The Dice ladder of a model with a threshold for a segmenter; on phantoms: test_model_ladder."""

import numpy as np
import pytest
import torch

from evaluation.organs.ladder import DiceLadder, MaskedScan
from evaluation.organs.weights import PANCREAS
from ldm.autoencoder.model import encode, load_autoencoder
from ldm.config import Crop
from ldm.data.geometry.grid import to_grid
from ldm.data.geometry.volume import read_volume, write_labels
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.checkpoint import Sampler
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, demo
from orchestration.scoring.model_ladder import ModelLadder
from tests.support.oracle import Oracle
from tests.support.small_scan import AFFINE, GRID, MASK_BOX, write_hosts

CONFIG = demo(Crop.PANCREAS)
WHITENING = WhiteningStatistics(mean=(0.5, -0.25, 0.0, 0.1), std=(1.0, 2.0, 0.5, 1.0))


def soft(volume):
    """Finds the pancreas in all that is denser than water, however blurred."""
    return np.where(volume.array > 0, PANCREAS, 0).astype(np.uint8)


class Scans:
    """Two real scans whose experts drew the box of the crop, and their crops on the grid."""

    def __init__(self, folder):
        self.folder, hosts = folder, write_hosts(folder)
        labels = np.zeros((24, 18, 12), np.uint8)
        (x, y, z), (to_x, to_y, to_z) = MASK_BOX
        labels[x:to_x, y:to_y, z:to_z] = 1
        write_labels(folder / "mask.nii.gz", labels, AFFINE)
        self.masked = [
            MaskedScan(case_id=host.image.stem, host=host, mask=folder / "mask.nii.gz")
            for host in hosts
        ]
        self.crops = [to_grid(read_volume(host.image), host.view, GRID) for host in hosts]
        self.network = load_autoencoder(DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, torch.device("cpu"))

    def ladder(self, folder):
        return ModelLadder(
            DiceLadder(self.masked, soft, is_put_back=False),
            self.crops,
            self.network,
            torch.device("cpu"),
            folder,
        )


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return Scans(tmp_path_factory.mktemp("rungs"))


@pytest.fixture(scope="module")
def ladder(scans):
    return scans.ladder(scans.folder)


def test_each_rung_is_of_all_scans(ladder):
    rungs = ladder.rungs
    scores = (rungs.real_dice, rungs.autoencoder_dice, rungs.denoised_ceiling)
    assert [score.n for score in (*scores, rungs.denoised_floor)] == [2] * 4


def test_a_rung_is_the_mean_over_the_scans(ladder, scans):
    found = DiceLadder(scans.masked, soft, is_put_back=False).real_dice()
    assert ladder.rungs.real_dice.value == pytest.approx(np.mean(found))


def test_what_the_autoencoder_keeps_is_told_from_what_experts_drew(ladder):
    rungs = ladder.rungs
    assert rungs.autoencoder_dice.value == pytest.approx(1.0, abs=0.05)  # tissue stays dense
    assert rungs.denoised_ceiling != rungs.real_dice  # the crop alone, not the whole scan


def test_the_rungs_are_kept_and_read_again(ladder, scans, tmp_path):
    assert scans.ladder(scans.folder).rungs == ladder.rungs
    kept = (scans.folder / "rungs.json").read_text()
    (tmp_path / "rungs.json").write_text(kept.replace('"n": 2', '"n": 9'))
    assert scans.ladder(tmp_path).rungs.real_dice.n == 9  # not measured again


def denoised(ladder, latents):
    """The score of a model that takes the scans' latents to be these."""
    model = Oracle(WHITENING.whiten(latents), CONFIG.training.objective)
    return ladder.denoised_dice(
        model, Sampler(config=CONFIG, whitening=WHITENING, epoch=1, weights={})
    )


def test_a_model_that_knows_the_scans_is_as_good_as_encoding_alone(ladder):
    known = denoised(ladder, ladder._latents)
    assert known.score.value == pytest.approx(ladder.rungs.denoised_ceiling.value, abs=0.01)
    assert (known.name, known.better, known.unit) == ("denoised_dice", "higher", "")
    assert (known.real, known.nonsense) == (
        ladder.rungs.denoised_ceiling,
        ladder.rungs.denoised_floor,
    )


def test_a_model_that_believes_in_air_scores_less(ladder, scans):
    air = np.zeros((2, 1, *GRID), np.float32)
    latents = encode(scans.network, torch.from_numpy(air)).mean
    assert denoised(ladder, latents).score.value < ladder.rungs.denoised_ceiling.value
