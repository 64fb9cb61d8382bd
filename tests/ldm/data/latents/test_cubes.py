"""How much of the pancreas semi-body cubes hold, and cubes that must hold all of it."""

import numpy as np
import pytest

from ldm.config import Crop, ImageConfig
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.reading import read_cohort
from ldm.data.latents.cubes import describe_shares
from ldm.data.latents.gridding import grid_scan
from ldm.data.latents.store import PreparedScan
from ldm.errors import ScanError
from ldm.files.dataclass_json import from_dict, to_dict
from orchestration.preflight.cube_finding import cubes_of_first_scans
from tests.support.small_task07 import entry, read_folder, write_json

SEMI_BODY = ImageConfig(crop=Crop.SEMI_BODY, grid_voxels=(16, 16, 16))


def trunk(volume):
    """The whole scan, 36 x 30 x 40 mm."""
    return np.ones(volume.array.shape, bool)


def lower_and_upper_block(volume):
    """A block of 18 x 18 x 20 mm around the pancreas, and one of 36 x 30 x 20 mm above it."""
    inside = np.zeros(volume.array.shape, bool)
    inside[1:7, 2:8, :4] = True
    inside[:, :, 4:] = True
    return inside


def gridded(folder, find_trunk, **options):
    scan = read_folder(folder, crop=Crop.SEMI_BODY).scans[0]
    (one,) = grid_scan(scan, [SEMI_BODY], find_trunk, **options)
    return one.scan


def test_the_share_of_the_pancreas_in_a_cube_is_measured(folder):
    assert gridded(folder, trunk).pancreas_share == pytest.approx(1)
    above = gridded(folder, lambda volume: trunk(volume) & (np.arange(8) >= 3))
    assert above.pancreas_share == pytest.approx(1 / 3)  # of its slices 1, 2 and 3
    assert gridded(folder, lower_and_upper_block).pancreas_share == 0


def test_a_cube_can_be_asked_to_hold_the_pancreas(folder):
    largest = gridded(folder, lower_and_upper_block)
    held = gridded(folder, lower_and_upper_block, holds_pancreas=True)
    assert held.pancreas_share == 1
    assert largest.field_of_view.crop.extent_mm == pytest.approx((20, 20, 20))
    assert held.field_of_view.crop.extent_mm == pytest.approx((18, 18, 18))


def test_a_trunk_in_which_no_cube_holds_the_pancreas_leaves_the_scan_out(folder):
    with pytest.raises(ScanError, match=r"none does, the mask spans 10 x 14 x 16 mm"):
        gridded(folder, lambda v: trunk(v) & (np.arange(8) > 1), holds_pancreas=True)


def test_scans_without_a_mask_are_left_out_where_cubes_must_hold_the_pancreas(folder):
    write_json(folder, training=[entry("a"), entry("b"), {"image": "imagesTr/c.nii.gz"}])
    assert len(read_folder(folder, crop=Crop.SEMI_BODY).scans) == 3
    listing = list_cases(folder)
    (exclusion,) = read_cohort(listing, crop=Crop.SEMI_BODY, holds_pancreas=True).exclusions
    assert "crop semi-body needs a mask" in exclusion.reason
    assert "or take the largest cube" in exclusion.reason


def test_a_store_that_was_made_before_cubes_were_measured_is_read(folder):
    plain = to_dict(gridded(folder, trunk))
    del plain["pancreas_share"]
    assert from_dict(PreparedScan, plain).pancreas_share is None


def test_other_crops_measure_nothing(folder):
    scan = read_folder(folder, crop=Crop.PANCREAS).scans[0]
    image = ImageConfig(crop=Crop.PANCREAS, grid_voxels=(16, 16, 16))
    assert grid_scan(scan, [image], trunk)[0].scan.pancreas_share is None


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"a": 1.0, "b": 1.0}, "2 of 2 semi-body cubes hold the whole pancreas"),
        (
            {"a": 1.0, "b": 0.12, "c": 1.0},
            "2 of 3 semi-body cubes hold the whole pancreas; scan b holds 12%",
        ),
        (
            {"a": 0.999, "b": 0.0, "c": None},
            "0 of 2 semi-body cubes hold the whole pancreas (scans without a mask: 1); scan b"
            " holds nothing of it; scan a holds 99%",
        ),
        ({"a": None}, None),
    ],
)
def test_it_is_said_how_many_cubes_hold_the_pancreas(shares, said):
    assert describe_shares(shares) == said


def test_the_doctor_cuts_the_cubes_of_the_first_scans(folder):
    found = cubes_of_first_scans(list_cases(folder), lower_and_upper_block, holds_pancreas=False)
    assert found.seen.startswith("0 of 2 semi-body cubes hold the whole pancreas; scan a holds")


def test_the_doctor_says_why_a_scan_has_no_cube(folder):
    found = cubes_of_first_scans(list_cases(folder), lambda v: ~trunk(v), holds_pancreas=False)
    assert found.is_here
    assert "scan a has none: the semi-body crop found no trunk" in found.seen
