"""Nonsense volumes are smooth noise with the mean and standard deviation of tissue."""

import numpy as np
import pytest

from evaluation.nonsense import nonsense_volumes
from ldm.data.geometry.body import body_mask
from ldm.data.geometry.volume import Volume


@pytest.fixture(scope="module")
def scan():
    rng = np.random.default_rng(0)
    hu = np.full((40, 30, 20), -1000, np.float32)
    hu[5:35, 5:25] = rng.normal(30, 60, (30, 20, 20))
    return Volume(array=hu, affine=np.diag([3.0, 3.0, 3.0, 1.0]))


def test_the_moments_inside_the_body_are_those_of_its_tissue(scan):
    ((_, noise),) = nonsense_volumes([scan], 1)
    body = body_mask(scan.array)
    assert noise.array[body].mean() == pytest.approx(30, abs=5)
    assert noise.array[body].std() == pytest.approx(60, rel=0.1)


def test_outside_the_body_is_air(scan):
    ((_, noise),) = nonsense_volumes([scan], 1)
    assert (noise.array[~body_mask(scan.array)] == -1000).all()


def test_the_noise_is_smooth(scan):
    ((_, noise),) = nonsense_volumes([scan], 1)
    inside = noise.array[10:30, 10:20]
    assert np.diff(inside, axis=0).std() < 0.5 * inside.std()


def test_each_has_its_own_noise_and_the_same_seed_the_same(scan):
    first, second = (volume.array for _, volume in nonsense_volumes([scan], 2))
    again = next(nonsense_volumes([scan], 1))[1].array
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)


def test_a_scan_of_air_gives_air(scan):
    air = Volume(array=np.full_like(scan.array, -1000), affine=scan.affine)
    ((_, noise),) = nonsense_volumes([air], 1)
    assert (noise.array == -1000).all()
