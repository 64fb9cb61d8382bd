"""How well TotalSegmentator finds organs after encoding and decoding, on unseen phantoms."""

import numpy as np
import pytest
import torch

from evaluation.organs.dice import dice
from evaluation.organs.segmentation import PHANTOM_WEIGHTS, TOTAL_3MM, WarmSegmenter
from ldm.autoencoder.metrics import reconstruct
from ldm.autoencoder.model import load_autoencoder
from ldm.config import Crop
from ldm.data.geometry.volume import Volume
from ldm.data.phantom.canvas import Organ
from ldm.data.phantom.phantom import make_phantom
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER
from tests.support.unseen_phantoms import UNSEEN_SEEDS, on_grid, organs_on

CPU = torch.device("cpu")


def organ_dice(labels, truth):
    """Return the mean Dice over the organs that are present."""
    present = [organ for organ in Organ if (truth == organ).any()]
    return float(np.mean([dice(labels == organ, truth == organ) for organ in present]))


@pytest.mark.slow
def test_organs_keep_nine_tenths_of_their_dice():
    segment = WarmSegmenter(TOTAL_3MM, weights=PHANTOM_WEIGHTS)
    network = load_autoencoder(DEMO_AUTOENCODER, PHANTOM_AUTOENCODER, CPU)
    before, after = [], []
    for seed in UNSEEN_SEEDS[:6]:
        phantom = make_phantom(seed)
        scan = on_grid(phantom, Crop.FULL_BODY)
        truth = organs_on(scan, phantom)
        decoded = Volume(array=reconstruct(network, scan.array, CPU), affine=scan.affine)
        before.append(organ_dice(segment(scan), truth))
        after.append(organ_dice(segment(decoded), truth))
    assert np.mean(before) > 0.5
    assert np.mean(after) >= 0.9 * np.mean(before)
