"""The Dice ladder on a scan with a known pancreas and mask; thresholds stand in for segmenters."""

import numpy as np
import pytest

from evaluation.organs.ladder import DiceLadder, MaskedScan
from evaluation.organs.placement import Host
from ldm.data.geometry.grid import to_grid
from ldm.data.geometry.volume import Volume, write_labels, write_volume
from tests.support.small_scan import (
    AFFINE,
    GRID,
    VIEW,
    narrow_organ,
    organ,
    organ_near_spine,
    sample,
    scan,
)


@pytest.fixture
def masked(tmp_path):
    """Write a scan with an organ of 4 x 2 x 2 voxels, of which one plane in x is tumor."""
    mask = np.zeros((24, 18, 12), np.uint8)
    mask[10:14, 8:10, 5:7] = 1
    mask[13, 8:10, 5:7] = 2
    write_volume(tmp_path / "scan.nii.gz", scan(has_organ=True))
    write_labels(tmp_path / "mask.nii.gz", mask, AFFINE)
    return MaskedScan(
        case_id="a",
        host=Host(image=tmp_path / "scan.nii.gz", view=VIEW),
        mask=tmp_path / "mask.nii.gz",
    )


def ladder(masked, segment=organ, *, is_put_back=True):
    return DiceLadder([masked], segment, is_put_back=is_put_back)


def real():
    return to_grid(scan(has_organ=True), VIEW, GRID)


def test_a_segmenter_that_finds_pancreas_and_tumor_agrees_with_the_expert(masked):
    assert ladder(masked).real_dice() == [1]


def test_a_segmenter_that_misses_a_plane_of_four_scores_six_sevenths(masked):
    assert ladder(masked, narrow_organ).real_dice() == pytest.approx([2 * 3 / (4 + 3)])


def test_a_volume_as_the_real_one_agrees_with_it(masked):
    assert ladder(masked).against_itself([real()], [real()])[0] == [1]


def test_a_volume_without_an_organ_agrees_with_nothing(masked):
    assert ladder(masked).against_itself([sample(has_organ=False)], [real()]) == ([0], [0])
    assert ladder(masked).against_masks([sample(has_organ=False)]) == [0]


@pytest.mark.parametrize("is_put_back", [True, False])
def test_the_real_volume_meets_the_expert_put_back_or_alone(masked, is_put_back):
    (value,) = ladder(masked, is_put_back=is_put_back).against_masks([real()])
    assert value > 0.8  # interpolation to the grid costs the rest


def test_an_organ_beside_the_mask_is_wrong_however_well_it_is_segmented(masked):
    aside = Volume(array=np.roll(real().array, 6, axis=0), affine=real().affine)
    assert ladder(masked).against_masks([aside])[0] < 0.5


def test_a_host_gives_what_a_segmenter_needs(masked):
    alone, back = (
        ladder(masked, organ_near_spine, is_put_back=is_put_back).against_masks([real()])
        for is_put_back in (False, True)
    )
    assert alone == [0]
    assert back[0] > 0.8


def test_whole_scans_are_segmented_once_for_all_grids(masked):
    known = {}
    first = DiceLadder([masked], organ, is_put_back=True, known=known)
    second = DiceLadder([masked], None, is_put_back=True, known=known)
    assert first.real_dice() == second.real_dice() == [1]
