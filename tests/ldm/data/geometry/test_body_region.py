"""The share of lung in a body, and the width of a body."""

import numpy as np
import pytest

from ldm.data.geometry.body_region import body_region
from ldm.data.geometry.volume import Volume


def block(lung_hu=-860.0):
    """A block of tissue, 160 x 80 x 40 mm, in air, of which a quarter is lung."""
    hu = np.full((60, 40, 20), -1000, np.float32)
    hu[10:50, 10:30, 5:15] = 40
    hu[20:40, 15:25, 5:15] = lung_hu
    return hu


def region(hu, spacing_mm=4.0):
    return body_region(Volume(array=hu, affine=np.diag([spacing_mm, spacing_mm, spacing_mm, 1])))


def test_a_quarter_of_the_block_is_lung():
    assert region(block()).lung_share == pytest.approx(0.25)


def test_gas_of_the_bowel_is_no_lung():
    assert region(block(lung_hu=-1000)).lung_share == 0


@pytest.mark.parametrize("spacing_mm", [1.0, 4.0, 5.0])
def test_the_width_is_in_mm(spacing_mm):
    hu = np.kron(block(), np.ones((4, 4, 4), np.float32)) if spacing_mm == 1 else block()
    assert region(hu, spacing_mm).width_mm == pytest.approx(40 * max(spacing_mm, 4))


def test_air_is_neither():
    found = region(np.full((8, 8, 8), -1000, np.float32))
    assert (found.lung_share, found.width_mm) == (0, 0)
