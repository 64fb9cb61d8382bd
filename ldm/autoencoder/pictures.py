"""Pictures that compare scans with their reconstructions."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ldm.data.geometry.planes import PLANES
from ldm.data.geometry.side_letters import draw_sides
from ldm.data.geometry.volume import FloatArray

SOFT_TISSUE_HU = (-160.0, 240.0)
DIFFERENCE_HU = (-200.0, 200.0)  # no difference is shown as gray
COLUMNS = ("scan", "reconstruction", "difference")
CELL_PIXELS, GAP_PIXELS, HEADER_PIXELS, LINE_PIXELS = 240, 6, 28, 19
BACKGROUND, NOTICE_COLOR = "#101014", "#ffb000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """A scan before and after encoding and decoding.

    Attributes
    ----------
    name
        Name of the scan.
    hu, decoded_hu
        The scan before and after in HU, shape (x, y, z).
    spacing_mm
        Its voxel size, or None if it is unknown.
    """

    name: str
    hu: FloatArray
    decoded_hu: FloatArray
    spacing_mm: tuple[float, float, float] | None = None


def write_reconstructions(path: Path, rows: Sequence[Reconstruction], *, notice: str = "") -> None:
    """Write a picture that compares each scan with its reconstruction.

    For each scan, the three orthogonal middle slices are shown, each with its reconstruction and
    their difference on a scale of -200 to 200 HU. All slices of a scan have the same scale in mm.
    If the voxel size is unknown, voxels are drawn as squares, and the heading says so. Letters name
    the sides of the patient. ``notice`` stands at the top, because pictures are passed on without
    the page that they were shown on.
    """
    parts = [part for row in rows for part in (_heading(row), *_strips(row))]
    parts = [_line(notice, NOTICE_COLOR), *parts] if notice else parts
    sheet = Image.new("RGB", (max(part.width for part in parts), sum(p.height for p in parts)))
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


def _heading(row: Reconstruction) -> Image.Image:
    unknown = "" if row.spacing_mm else " (voxel size unknown)"
    return _line(f"{row.name}: {', '.join(COLUMNS)}{unknown}", "#f2f2f2")


def _line(text: str, color: str) -> Image.Image:
    """Return one line of text, wrapped if it is too long."""
    width = len(COLUMNS) * (CELL_PIXELS + GAP_PIXELS)
    font = ImageFont.load_default(15)
    letter_pixels = font.getlength(text) / max(1, len(text))
    lines = textwrap.wrap(text, int((width - 2 * GAP_PIXELS) / letter_pixels))
    strip = Image.new("RGB", (width, HEADER_PIXELS + LINE_PIXELS * (len(lines) - 1)), BACKGROUND)
    ImageDraw.Draw(strip).multiline_text((GAP_PIXELS, 5), "\n".join(lines), color, font)
    return strip


def _strips(row: Reconstruction) -> list[Image.Image]:
    """Return an image for each plane: scan, reconstruction and difference side by side."""
    volumes = (
        (row.hu, SOFT_TISSUE_HU),
        (row.decoded_hu, SOFT_TISSUE_HU),
        (row.decoded_hu - row.hu, DIFFERENCE_HU),
    )
    strips = []
    sides_mm = np.multiply(row.hu.shape, row.spacing_mm or (1.0, 1.0, 1.0))
    for plane, axis in PLANES.items():
        across, up = np.delete(sides_mm, axis) * CELL_PIXELS / sides_mm.max()
        size = (max(1, round(across)), max(1, round(up)))
        cells = [_cell(volume, plane, window, size) for volume, window in volumes]
        step = CELL_PIXELS + GAP_PIXELS
        strip = Image.new("RGB", (len(cells) * step, cells[0].height + GAP_PIXELS), BACKGROUND)
        for index, cell in enumerate(cells):
            strip.paste(cell, (index * step, 0))
        strips.append(strip)
    return strips


def _cell(
    volume: FloatArray, plane: str, window: tuple[float, float], size: tuple[int, int]
) -> Image.Image:
    """Return one slice with the letters of its sides, ``size`` pixels wide and high."""
    cell = Image.fromarray(_plane(volume, PLANES[plane], window)).resize(size).convert("RGB")
    draw_sides(ImageDraw.Draw(cell), (0, 0), size, plane)
    return cell


def _plane(volume: FloatArray, axis: int, window: tuple[float, float]) -> NDArray[np.uint8]:
    """Return the middle slice along ``axis`` as gray values, in radiological orientation.

    Anterior (or superior) is up. The patient's right (or anterior) is on the left.
    """
    image = np.take(volume, volume.shape[axis] // 2, axis).T[::-1, ::-1]
    low, high = window
    gray: NDArray[np.uint8] = (np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return gray
