"""Task total at 1.5 mm: labels of its parts, which part wins a voxel, and the package's result."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from evaluation.organs.anatomy import LABELS
from evaluation.organs.parts import PartsSegmenter, labels_of_part
from evaluation.organs.segmentation import PHANTOM_WEIGHTS, segment_with_package
from evaluation.organs.weights import ORGANS_PART, PANCREAS, TOTAL_PARTS, check_weights
from ldm.data.geometry.volume import Volume
from ldm.data.phantom.phantom import make_phantom
from ldm.errors import InputError, ScanError


@pytest.fixture(scope="module")
def pancreas_crop() -> Volume:
    """Return a pancreas crop of a phantom that was never trained on."""
    scan = make_phantom(200_000).scan
    return Volume(
        array=np.ascontiguousarray(scan.array[24:69, 36:61, 18:48]), affine=scan.affine.copy()
    )


def test_the_part_of_the_organs_has_the_pancreas_where_the_task_has_it():
    assert labels_of_part(ORGANS_PART.task_id)[PANCREAS] == PANCREAS


def test_the_parts_together_have_each_label_of_the_task_once():
    found = np.concatenate([labels_of_part(model.task_id) for model in TOTAL_PARTS])
    assert sorted(found[found != 0]) == list(range(1, 118))


def test_every_organ_that_is_judged_is_in_a_part():
    found = {int(label) for model in TOTAL_PARTS for label in labels_of_part(model.task_id)}
    assert set(LABELS.values()) <= found


def test_the_part_that_is_missing_is_named_with_the_command_that_gets_it(tmp_path: Path):
    for model in TOTAL_PARTS[:-1]:
        shutil.copytree(PHANTOM_WEIGHTS / model.dataset, tmp_path / model.dataset)
    with pytest.raises(InputError, match=r"Dataset295.*totalseg_download_weights -t total`"):
        PartsSegmenter(weights=tmp_path)


def test_weights_of_the_search_alone_are_no_weights_of_finalists(tmp_path: Path):
    with pytest.raises(InputError, match=r"total at 1\.5 mm needs the folder Dataset291"):
        check_weights(tmp_path, TOTAL_PARTS)


def overlapping(folder: Path) -> Path:
    """Write weights whose third part labels the same voxels as the first, but as other organs."""
    shutil.copytree(PHANTOM_WEIGHTS, folder)
    third = TOTAL_PARTS[2].folder_in(folder)
    shutil.rmtree(third)
    shutil.copytree(ORGANS_PART.folder_in(folder), third)
    return folder


@pytest.mark.slow
def test_the_later_part_wins_a_voxel_and_only_where_it_labels_one(
    pancreas_crop: Volume, tmp_path: Path
):
    alone = PartsSegmenter(weights=PHANTOM_WEIGHTS)(pancreas_crop)
    together = PartsSegmenter(weights=overlapping(tmp_path / "weights"))(pancreas_crop)
    third = labels_of_part(TOTAL_PARTS[2].task_id)[alone]
    assert (third[alone == PANCREAS] != 0).any()
    assert np.array_equal(together, np.where(third != 0, third, alone))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shipped", "overlapping"])
def test_the_warm_parts_give_the_voxels_of_the_package(
    kind: str, pancreas_crop: Volume, tmp_path: Path
):
    weights = PHANTOM_WEIGHTS if kind == "shipped" else overlapping(tmp_path / "weights")
    reference = segment_with_package(
        pancreas_crop, ORGANS_PART, weights=weights, home=tmp_path / "home"
    )
    assert (reference != 0).any()
    assert np.array_equal(PartsSegmenter(weights=weights)(pancreas_crop), reference)


@pytest.mark.slow
def test_a_volume_with_nan_is_refused_at_1_5_mm_too(pancreas_crop: Volume):
    array = pancreas_crop.array.copy()
    array[3, 4, 5] = np.nan
    with pytest.raises(ScanError, match="finite HU"):
        PartsSegmenter(weights=PHANTOM_WEIGHTS)(Volume(array=array, affine=np.eye(4)))
