"""The slices that networks see: their number, orientation and range of values."""

import numpy as np
import pytest
import torch
from torch import nn

from evaluation.features.slices import slice_features, slice_positions, slices_of, volume_features
from ldm.data.geometry.volume import Volume
from ldm.errors import InputError


def volume(array):
    return Volume(array=np.asarray(array, np.float32), affine=np.eye(4))


def recorded(seen):
    """Return a network that records its input and returns the mean of it."""

    class Recorder(nn.Module):
        def forward(self, images):
            seen.append(images.clone())
            return images.flatten(2).mean(dim=2)

    return Recorder()


@pytest.mark.parametrize("n", [1, 5, 16, 17, 32, 33, 112, 500])
def test_slices_are_evenly_spaced_and_at_most_sixteen(n):
    positions = list(slice_positions(n))
    assert min(n, 9) <= len(positions) <= 16
    assert len(set(np.diff(positions))) <= 1
    assert abs(positions[0] - (n - 1 - positions[-1])) <= 1


def test_of_few_slices_all_are_seen():
    assert list(slice_positions(16)) == list(range(16))


def test_no_slice_at_all_is_refused():
    with pytest.raises(InputError, match="got 0"):
        slice_positions(10, max_slices=0)


def test_hu_become_shares_of_the_window():
    array = np.zeros((1, 1, 4))
    array[0, 0] = -3000, -160, 40, 1000
    assert slices_of(volume(array), "axial", (-160, 240)).ravel().tolist() == [0, 0, 0.5, 1]


@pytest.mark.parametrize(
    ("plane", "top_left"),
    [
        ("axial", (5, 3, 0)),  # rightmost, most anterior
        ("coronal", (5, 0, 2)),  # rightmost, most superior
        ("sagittal", (0, 3, 2)),  # most anterior, most superior
    ],
)
def test_slices_stand_as_radiologists_look_at_them(plane, top_left):
    array = np.full((6, 4, 3), -1000.0)
    array[top_left] = 1000
    slices = slices_of(volume(array), plane, (-1000, 1000))
    assert np.argwhere(slices == 1).tolist() == [[0, 0, 0]]


def test_a_network_sees_three_equal_channels_as_it_wants_them():
    seen = []
    look = slice_features(
        recorded(seen), lambda images: images * 2 - 1, plane="axial", window_hu=(0, 100)
    )
    features = look(volume(np.full((2, 3, 4), 1000.0)))
    assert seen[0].shape == (4, 3, 3, 2)
    assert torch.equal(seen[0], torch.ones_like(seen[0]))
    assert features.tolist() == [[1, 1, 1]] * 4


def test_more_slices_than_a_batch_keep_their_order():
    array = np.tile(np.linspace(-1000, 1000, 33), (2, 2, 1))
    look = slice_features(
        recorded([]), lambda images: images, plane="axial", window_hu=(-1000, 1000), max_slices=33
    )
    assert look(volume(array))[:, 0] == pytest.approx(np.linspace(0, 1, 33))


def test_a_network_of_volumes_gives_one_row():
    seen = []
    look = volume_features(recorded(seen), lambda voxels: voxels)
    assert look(volume(np.zeros((2, 3, 4)))).tolist() == [[0.5]]
    assert seen[0].shape == (1, 1, 2, 3, 4)
