"""Each kind of damage does what its name says."""

import numpy as np
import pytest

from evaluation.damage.kinds import DOSES, Damage, Subjects, damaged
from ldm.data.geometry.volume import Volume


def named(name, array):
    return (name, Volume(array=array.astype(np.float32), affine=np.diag([2.0, 2.0, 2.0, 1.0])))


@pytest.fixture
def subjects():
    rng = np.random.default_rng(0)
    return Subjects(
        samples=[named(f"s{i}", rng.normal(0, 50, (16, 12, 8))) for i in range(4)],
        without_pancreas=[named(f"w{i}", np.zeros((16, 12, 8))) for i in range(4)],
        training=[named(f"t{i}", np.ones((16, 12, 8))) for i in range(3)],
    )


def arrays(subjects, damage, dose):
    return np.stack([volume.array for _, volume in damaged(subjects, damage, dose)])


def original(subjects):
    return np.stack([volume.array for _, volume in subjects.samples])


def test_blur_takes_variance_and_keeps_the_mean(subjects):
    blurred = arrays(subjects, Damage.BLUR, 3.0)
    assert blurred.std() < 0.5 * original(subjects).std()
    assert blurred.mean() == pytest.approx(original(subjects).mean(), abs=2)


def test_noise_adds_its_standard_deviation(subjects):
    added = arrays(subjects, Damage.NOISE, 25.0) - original(subjects)
    assert added.std() == pytest.approx(25, rel=0.05)


def test_a_shift_moves_every_voxel(subjects):
    np.testing.assert_allclose(
        arrays(subjects, Damage.SHIFT, 20.0) - original(subjects), 20, atol=1e-4
    )


def test_a_zoom_keeps_the_center_and_spreads_the_rest():
    array = np.full((17, 17, 17), -1000.0)
    array[8, 8, 8] = array[12, 8, 8] = 500
    subject = Subjects(samples=[named("a", array)], without_pancreas=[], training=[])
    (zoomed,) = arrays(subject, Damage.ZOOM, 1.5)
    assert zoomed[8, 8, 8] == pytest.approx(500)
    assert zoomed[14, 8, 8] == pytest.approx(500)  # 8 + 4 * 1.5


def test_a_swap_exchanges_left_and_right(subjects):
    np.testing.assert_array_equal(arrays(subjects, Damage.SWAP, 1.0), original(subjects)[:, ::-1])


@pytest.mark.parametrize(("damage", "mark"), [(Damage.ORGAN_REMOVED, "w"), (Damage.COPIES, "t")])
def test_a_share_spoils_the_first_and_leaves_the_rest(subjects, damage, mark):
    names = [name for name, _ in damaged(subjects, damage, 0.5)]
    assert names == [f"{mark}0", f"{mark}1", "s2", "s3"]


@pytest.mark.parametrize("damage", Damage)
def test_doses_grow(damage):
    assert list(DOSES[damage]) == sorted(DOSES[damage])
