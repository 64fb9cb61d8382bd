"""Pictures are written, grow with their rows, and have the right orientation."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from evaluation.panels import PanelRow, mark_sides, plane, write_loss_curve, write_panel
from ldm.data.geometry.side_letters import SIDES
from ldm.data.geometry.volume import Volume

SIZE = (9, 7, 5)
MIDDLE = tuple(n // 2 for n in SIZE)


def bright_voxel(*voxel):
    """Return air with one bright voxel. Index 0 is left, posterior or inferior; -1 is opposite."""
    array = np.full(SIZE, -1000, np.float32)
    array[voxel] = 1000
    return array


def rows(n):
    volume = Volume(array=bright_voxel(*MIDDLE), affine=np.diag([1.0, 1.0, 2.0, 1.0]))
    return [PanelRow(label=f"epoch {k}", volume=volume) for k in range(n)]


def place_in(image):
    return tuple(int(i) for i in np.unravel_index(image.argmax(), image.shape))


def test_letters_name_the_sides_of_the_patient():
    figure, axes = plt.subplots()
    mark_sides(axes, SIDES["axial"])
    places = {text.get_text(): text.get_position() for text in axes.texts}
    plt.close(figure)
    assert places["R"][0] < 0.1 and places["L"][0] > 0.9  # as the next test shows of the voxels
    assert places["P"][1] < 0.1 and places["A"][1] > 0.9


def test_axial_shows_the_patients_right_at_the_left_and_anterior_up():
    image = plane(bright_voxel(-1, -1, MIDDLE[2]), 2)
    assert image.shape == (7, 9)
    assert place_in(image) == (0, 0)


def test_axial_shows_the_patients_left_at_the_right_and_posterior_down():
    assert place_in(plane(bright_voxel(0, 0, MIDDLE[2]), 2)) == (6, 8)


def test_coronal_shows_the_patients_right_at_the_left_and_superior_up():
    image = plane(bright_voxel(-1, MIDDLE[1], -1), 1)
    assert image.shape == (5, 9)
    assert place_in(image) == (0, 0)


def test_sagittal_shows_anterior_at_the_left_and_superior_up():
    image = plane(bright_voxel(MIDDLE[0], -1, -1), 0)
    assert image.shape == (5, 7)
    assert place_in(image) == (0, 0)


def test_a_panel_grows_by_the_same_height_with_each_volume(tmp_path):
    heights = []
    for n in (1, 2, 4):
        write_panel(tmp_path / f"{n}.png", rows(n), "pancreas")
        heights.append(plt.imread(tmp_path / f"{n}.png").shape[0])
    one, two, four = heights
    assert four - two == pytest.approx(2 * (two - one), abs=2)
    assert two - one > 100  # a row is large enough to see details


def test_a_panel_shows_the_bright_voxel_in_each_plane(tmp_path):
    write_panel(tmp_path / "panel.png", rows(1), "")
    pixels = plt.imread(tmp_path / "panel.png")[100:300, :, 0]
    thirds = np.array_split(pixels[:, 50:], 3, axis=1)
    assert all((third == 1).any() and (third == 0).any() for third in thirds)


def test_folders_of_a_picture_are_made(tmp_path):
    write_panel(tmp_path / "trial" / "epoch" / "panel.png", rows(1), "pancreas")
    assert (tmp_path / "trial" / "epoch" / "panel.png").stat().st_size > 1000


def is_red(picture):
    """Return the mask of the strongly red pixels of a picture."""
    red, green, blue = np.moveaxis(picture[:, :, :3], 2, 0)
    return (red > 0.8) & (green < 0.3) & (blue < 0.3)


def test_a_warning_stands_in_red(tmp_path):
    for name, warning in (("plain", ""), ("warned", "copies training scans")):
        write_panel(tmp_path / f"{name}.png", rows(1), "pancreas", warning=warning)
    plain, warned = (plt.imread(tmp_path / f"{name}.png") for name in ("plain", "warned"))
    assert not is_red(plain).any()
    assert is_red(warned).sum() > 100


def test_a_notice_stands_above_the_title_in_amber(tmp_path):
    for name, notice in (("plain", ""), ("phantom", "PHANTOM RUN: generated phantoms. " * 4)):
        write_panel(tmp_path / f"{name}.png", rows(1), "pancreas", notice=notice)
    plain, phantom = (plt.imread(tmp_path / f"{name}.png")[:40] for name in ("plain", "phantom"))
    amber = [np.ptp(picture[:, :, :3], axis=2) > 0.3 for picture in (plain, phantom)]
    assert not amber[0].any()
    assert amber[1].sum() > 100


@pytest.mark.parametrize("losses", [[(1, 0.9), (2, 0.3)], [(1, 0.9), (2, 0.8)], [(1, 0.5)]])
def test_a_loss_curve_is_drawn(tmp_path, losses):
    write_loss_curve(tmp_path / "loss.png", losses, "trial 3")
    assert plt.imread(tmp_path / "loss.png").shape[:2] == (360, 1000)


def test_figures_are_closed(tmp_path):
    write_loss_curve(tmp_path / "loss.png", [(1, 0.9), (2, 0.3)], "trial 3")
    write_panel(tmp_path / "panel.png", rows(1), "pancreas")
    assert plt.get_fignums() == []
