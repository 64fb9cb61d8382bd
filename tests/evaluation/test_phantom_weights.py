"""The shipped phantom weights segment phantoms well, and find no pancreas where there is none."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from evaluation.organs.segmentation import (
    BODY_6MM,
    BODY_TRUNC,
    PANCREAS,
    PHANTOM_WEIGHTS,
    TOTAL_3MM,
    TOTAL_6MM,
    SegmenterModel,
    WarmSegmenter,
)
from evaluation.organs.weights import MARKER, ORGANS_PART
from evaluation.phantom_training.cases import find_pancreas_box as box_of
from evaluation.phantom_training.cases import (
    trunk_of,
)
from ldm.data.geometry.volume import Volume
from ldm.data.phantom.canvas import Organ
from ldm.data.phantom.phantom import Phantom, make_phantom

FIRST_SEED = 200_000  # training uses seeds from 100,000 on, cohorts below 10,000
NO_PANCREAS = frozenset({Organ.PANCREAS})


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [make_phantom(FIRST_SEED + i) for i in range(3)]


@pytest.fixture(scope="module")
def without_pancreas() -> list[Phantom]:
    return [make_phantom(FIRST_SEED + 100 + i, omit=NO_PANCREAS) for i in range(4)]


@pytest.fixture(scope="module")
def total_3mm() -> WarmSegmenter:
    return WarmSegmenter(TOTAL_3MM, weights=PHANTOM_WEIGHTS)


@pytest.fixture(scope="module")
def body_6mm() -> WarmSegmenter:
    return WarmSegmenter(BODY_6MM, weights=PHANTOM_WEIGHTS)


def pancreas_dice(segmenter: WarmSegmenter, phantoms: list[Phantom]) -> float:
    """Return the mean Dice of the pancreas against the truth."""
    return float(
        np.mean(
            [
                dice(segmenter(phantom.scan) == PANCREAS, phantom.organs == Organ.PANCREAS)
                for phantom in phantoms
            ]
        )
    )


def n_pancreas(segmenter: WarmSegmenter, phantoms: list[Phantom]) -> float:
    """Return the mean number of voxels that are labeled pancreas."""
    return float(np.mean([(segmenter(phantom.scan) == PANCREAS).sum() for phantom in phantoms]))


def test_the_shipped_weights_take_two_and_a_half_megabytes_at_most():
    sizes = [path.stat().st_size for path in PHANTOM_WEIGHTS.rglob("*") if path.is_file()]
    assert sum(sizes) <= 2.5e6


def test_the_marker_names_every_network_in_the_folder():
    made_by = json.loads((PHANTOM_WEIGHTS / MARKER).read_text())["made_by"]
    assert set(made_by) == {path.name for path in PHANTOM_WEIGHTS.iterdir() if path.is_dir()}


def test_the_3mm_network_finds_the_pancreas_of_unseen_phantoms(
    total_3mm: WarmSegmenter, phantoms: list[Phantom]
):
    assert pancreas_dice(total_3mm, phantoms) >= 0.75


def test_a_phantom_without_a_pancreas_gets_almost_none(
    total_3mm: WarmSegmenter, phantoms: list[Phantom], without_pancreas: list[Phantom]
):
    usual = np.mean([(phantom.organs == Organ.PANCREAS).sum() for phantom in phantoms])
    assert n_pancreas(total_3mm, without_pancreas) < 0.05 * usual


def test_the_body_network_finds_the_trunk(body_6mm: WarmSegmenter, phantoms: list[Phantom]):
    scan = phantoms[0].scan
    assert dice(body_6mm(scan) == BODY_TRUNC, trunk_of(scan.array)) >= 0.95


@pytest.fixture(scope="module")
def ten() -> list[Phantom]:
    return [make_phantom(FIRST_SEED + i) for i in range(10)]


@pytest.fixture(scope="module")
def total_6mm() -> WarmSegmenter:
    return WarmSegmenter(TOTAL_6MM, weights=PHANTOM_WEIGHTS)


@pytest.mark.slow
def test_ten_phantoms_have_a_pancreas_for_the_3mm_network(
    total_3mm: WarmSegmenter, ten: list[Phantom]
):
    assert pancreas_dice(total_3mm, ten) >= 0.75


@pytest.mark.slow
def test_the_two_networks_agree_on_the_pancreas_of_ten_phantoms(
    total_3mm: WarmSegmenter, total_6mm: WarmSegmenter, ten: list[Phantom]
):
    scores = [
        dice(total_3mm(phantom.scan) == PANCREAS, total_6mm(phantom.scan) == PANCREAS)
        for phantom in ten
    ]
    assert np.mean(scores) >= 0.65


@pytest.mark.slow
def test_the_1_5mm_network_finds_the_pancreas_of_ten_phantoms_as_the_3mm_one_does(
    total_3mm: WarmSegmenter, ten: list[Phantom]
):
    finest = WarmSegmenter(ORGANS_PART, weights=PHANTOM_WEIGHTS)
    assert pancreas_dice(finest, ten) >= pancreas_dice(total_3mm, ten) - 0.02


@pytest.mark.slow
def test_the_1_5mm_network_invents_a_fifth_of_a_pancreas_at_most(ten: list[Phantom]):
    finest = WarmSegmenter(ORGANS_PART, weights=PHANTOM_WEIGHTS)
    empty = [make_phantom(FIRST_SEED + 100 + i, omit=NO_PANCREAS) for i in range(10)]
    usual = np.mean([(phantom.organs == Organ.PANCREAS).sum() for phantom in ten])
    assert n_pancreas(finest, empty) < 0.2 * usual


@pytest.mark.slow
@pytest.mark.parametrize("model", [TOTAL_3MM, TOTAL_6MM], ids=lambda model: str(model.task_id))
def test_ten_phantoms_without_a_pancreas_get_almost_none(model: SegmenterModel, ten: list[Phantom]):
    segmenter = WarmSegmenter(model, weights=PHANTOM_WEIGHTS)
    empty = [make_phantom(FIRST_SEED + 100 + i, omit=NO_PANCREAS) for i in range(10)]
    usual = np.mean([(phantom.organs == Organ.PANCREAS).sum() for phantom in ten])
    assert n_pancreas(segmenter, empty) < 0.05 * usual


@pytest.mark.slow
def test_smooth_noise_in_the_pancreas_box_gets_almost_none(
    total_3mm: WarmSegmenter, ten: list[Phantom]
):
    usual = np.mean([(phantom.organs == Organ.PANCREAS).sum() for phantom in ten])
    assert n_pancreas(total_3mm, [with_nonsense(phantom) for phantom in ten]) < 0.2 * usual


def with_nonsense(phantom: Phantom) -> Phantom:
    """Return the phantom with its pancreas box replaced by noise of the same mean and variance."""
    box = box_of(phantom.organs)
    array = phantom.scan.array.copy()
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(array[box].shape), 2)
    tissue = array[box][array[box] > -300]
    array[box] = tissue.mean() + noise / noise.std() * tissue.std()
    scan = Volume(array=array, affine=phantom.scan.affine)
    return Phantom(scan=scan, organs=phantom.organs, tumor=phantom.tumor)


@pytest.mark.slow
def test_ten_phantoms_have_a_trunk_for_the_body_network(
    body_6mm: WarmSegmenter, ten: list[Phantom]
):
    scores = [
        dice(body_6mm(phantom.scan) == BODY_TRUNC, trunk_of(phantom.scan.array)) for phantom in ten
    ]
    assert np.mean(scores) >= 0.95
