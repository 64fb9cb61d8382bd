"""Labels and geometry agree with TotalSegmentator's own label maps of real scans and the masks."""

import numpy as np
import pytest

from evaluation.organs.anatomy import ORGANS, find_organs
from evaluation.organs.dice import dice
from evaluation.organs.weights import PANCREAS
from ldm.config import Crop
from ldm.data.geometry.volume import read_labels, spacing_mm

CASES = ("pancreas_901", "pancreas_902")
WHOLE = (slice(None),) * 3


def label_map(real_ct, case):
    return read_labels(real_ct.parent / "reference" / f"{case}_totalsegmentator.nii.gz")


@pytest.mark.parametrize("case", CASES)
def test_the_pancreas_of_the_reference_is_that_of_the_mask(real_ct, case):
    labels, affine = label_map(real_ct, case)
    mask, mask_affine = read_labels(real_ct / "labelsTr" / f"{case}.nii.gz")
    np.testing.assert_allclose(affine, mask_affine, atol=1e-4)
    assert dice(labels == PANCREAS, mask > 0) == 1


@pytest.mark.parametrize("case", CASES)
def test_the_liver_lies_to_the_right_of_the_spleen_and_weighs_more(real_ct, case):
    labels, affine = label_map(real_ct, case)
    organs = ORGANS[Crop.FULL_BODY]
    found = find_organs(labels, labels, organs=organs, spacing_mm=spacing_mm(affine), region=WHOLE)
    liver, spleen = (next(f for f in found if f.organ == organ) for organ in ("liver", "spleen"))
    assert liver.centroid_mm[0] > spleen.centroid_mm[0] + 50  # RAS+: x points right
    assert liver.volume_ml > spleen.volume_ml > 20
