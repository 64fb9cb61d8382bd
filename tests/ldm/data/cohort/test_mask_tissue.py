"""Masks that lie elsewhere than on the pancreas of their scan."""

import numpy as np
import pytest

from ldm.config import Crop
from ldm.data.cohort.mask_tissue import note_on_tissue, require_soft_tissue, soft_tissue_share
from ldm.errors import ScanError
from tests.support.small_task07 import ORGAN, hu, image_of, read_folder, save


def test_fat_air_and_bone_are_not_soft_tissue():
    values = np.array([-1000, -110, -100, -90, 40, 240, 250, 900], np.float32)
    assert soft_tissue_share(values) == 3 / 8


def test_a_mask_of_which_half_is_soft_tissue_is_accepted():
    require_soft_tissue(0.5, "m.nii")


def test_a_mask_of_which_less_is_refused_with_its_share():
    with pytest.raises(ScanError, match=r"-100 to 250 HU\), m.nii does so with 49% of its voxels"):
        require_soft_tissue(0.49, "m.nii")


def test_from_nine_tenths_there_is_no_note():
    assert note_on_tissue(0.9) == ()
    assert note_on_tissue(0.84)[0].startswith("16% of the voxels of the mask are not soft tissue")


def test_an_empty_mask_has_no_share_and_is_accepted_here():
    share = soft_tissue_share(np.array([], np.float32))
    assert np.isnan(share) and note_on_tissue(share) == ()
    require_soft_tissue(share, "m.nii")


def with_air(folder, share):
    """Give a share of the organ of scan c the HU of air."""
    scan = hu(2)
    organ = scan[ORGAN]
    organ[: round(share * len(organ))] = -1000
    save(image_of(folder), scan)


def test_a_scan_whose_mask_lies_in_air_is_left_out(folder):
    with_air(folder, 2 / 3)
    (left_out,) = read_folder(folder, crop=Crop.PANCREAS).exclusions
    assert left_out.case_id == "c" and "does so with 33% of its voxels" in left_out.reason


def test_a_scan_whose_mask_lies_partly_in_air_is_used_and_noted(folder):
    with_air(folder, 1 / 3)
    cohort = read_folder(folder, crop=Crop.PANCREAS)
    assert [scan.case_id for scan in cohort.scans] == ["a", "b", "c"]
    assert (
        "c: 33% of the voxels of the mask are not soft tissue, so it may be mirrored, shifted or of"
        " another scan"
    ) in cohort.notes
