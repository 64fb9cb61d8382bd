"""Draw the pictures of an evaluation: planes of volumes, and the loss. Each is one PNG file."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from evaluation.windows import DISPLAY_HU
from ldm.data.geometry.side_letters import SIDES
from ldm.data.geometry.volume import FloatArray, Volume

PANEL_INCHES = 9.0
WARNING_LETTERS = 130  # per line
PLANES = ("axial", "coronal", "sagittal")
SIDE_PLACES = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.98), (0.5, 0.02))  # of the picture's width, height
SIDE_ALIGNMENTS = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
LETTERS_PER_INCH = 11  # of a title
NOTICE_COLOR = "#8a5a00"
REAL, SYNTHETIC = "#1b6ca8", "#d1495b"


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelRow:
    """One row of a panel: a volume and its label."""

    label: str
    volume: Volume


def plane(array: FloatArray, axis: int) -> FloatArray:
    """Return the middle slice along an axis, oriented as radiologists view it.

    Anterior (axial) or superior (coronal, sagittal) is up. The patient's right, or anterior in the
    sagittal plane, is on the left.
    """
    middle = array.shape[axis] // 2
    image: FloatArray = np.take(array, middle, axis).T[::-1, ::-1]
    return image


def write_panel(
    path: Path, rows: Sequence[PanelRow], title: str, *, warning: str = "", notice: str = ""
) -> None:
    """Write a picture with one row per volume: three planes through its center.

    There must be at least one row. All planes have the same scale in mm and show the abdominal HU
    window. Letters at their edges name the sides of the patient. ``warning`` is printed in red at
    the bottom. ``notice`` says in the title what the volumes are not, because pictures are passed
    on without the page that they were shown on.
    """
    x_mm, y_mm, z_mm = np.max(
        [row.volume.spacing_mm * row.volume.array.shape for row in rows], axis=0
    )
    height_mm, widths_mm = max(y_mm, z_mm), {2: x_mm, 1: x_mm, 0: y_mm}
    row_inches = PANEL_INCHES * height_mm / (2 * x_mm + y_mm)
    figure, axes = plt.subplots(
        *(len(rows), 3),
        figsize=(PANEL_INCHES + 0.5, 0.8 + (row_inches + 0.1) * len(rows)),
        width_ratios=(x_mm, x_mm, y_mm),
        squeeze=False,
        layout="constrained",
    )
    write_title(figure, title, notice=notice)
    if warning:
        figure.supxlabel(textwrap.fill(warning, WARNING_LETTERS), color="red", fontsize=9)
    for row, images in zip(rows, axes, strict=True):
        for name, axis, image in zip(PLANES, (2, 1, 0), images, strict=True):
            _show_plane(image, row.volume, axis)
            image.set_xlim(-widths_mm[axis] / 2, widths_mm[axis] / 2)
            image.set_ylim(-height_mm / 2, height_mm / 2)
            mark_sides(image, SIDES[name])
            if row is rows[0]:
                image.set_title(name, fontsize=10)
        images[0].set_ylabel(row.label, fontsize=9)
    save_figure(figure, path)


def _show_plane(image: Axes, volume: Volume, axis: int) -> None:
    """Draw the middle slice along an axis in mm from its center, on black."""
    across, up = np.delete(volume.spacing_mm * volume.array.shape, axis) / 2
    image.imshow(
        plane(volume.array, axis),
        cmap="gray",
        vmin=DISPLAY_HU[0],
        vmax=DISPLAY_HU[1],
        extent=(-across, across, -up, up),
        aspect="equal",
    )
    image.set_facecolor("black")
    image.set_xticks([])
    image.set_yticks([])


def write_title(figure: Figure, title: str, *, notice: str = "") -> None:
    """Write the title of a figure, and a notice above it if there is one."""
    letters = round(figure.get_figwidth() * LETTERS_PER_INCH)
    lines = [*textwrap.wrap(notice, letters), title]
    figure.suptitle("\n".join(lines), fontsize=11, color=NOTICE_COLOR if notice else None)


def mark_sides(image: Axes, sides: str) -> None:
    """Write a letter at the left, right, upper and lower edge of a picture, in this order."""
    for side, (x, y), (across, up) in zip(sides, SIDE_PLACES, SIDE_ALIGNMENTS, strict=True):
        image.text(
            *(x, y, side),
            transform=image.transAxes,
            ha=across,
            va=up,
            fontsize=8,
            color="gold",
            path_effects=[withStroke(linewidth=1.5, foreground="black")],
        )


def write_loss_curve(path: Path, losses: Sequence[tuple[int, float]], title: str) -> None:
    """Write a picture of the loss by epoch, over its whole range and from 0 to 0.4.

    ``losses`` holds pairs of epoch and loss. The study compared its models in the range 0 to 0.4.
    """
    epochs, values = zip(*losses, strict=True)
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    for axis, top in zip(axes, (max(values) * 1.05, 0.4), strict=True):
        axis.plot(epochs, values, color=SYNTHETIC)
        axis.set_ylim(0, top)
        axis.set_xlabel("epoch")
        axis.set_ylabel("loss")
    if min(values) > 0.4:
        axes[1].text(0.5, 0.5, "the loss stays above 0.4", ha="center", transform=axes[1].transAxes)
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file and close it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)
