"""Pictures that compare scans with their reconstructions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ldm.data.geometry.planes import PLANES
from ldm.data.geometry.volume import FloatArray

SOFT_TISSUE_HU = (-160.0, 240.0)
DIFFERENCE_HU = (-200.0, 200.0)  # no difference is shown as gray
COLUMNS = ("scan", "reconstruction", "difference")
CELL_PIXELS, GAP_PIXELS, HEADER_PIXELS = 192, 6, 28
BACKGROUND = "#101014"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """A scan before and after encoding and decoding, HU (x, y, z)."""

    name: str
    hu: FloatArray
    decoded_hu: FloatArray


def write_reconstructions(path: Path, rows: Sequence[Reconstruction]) -> None:
    """Write a picture that compares each scan with its reconstruction.

    For each scan, the three orthogonal middle slices are shown, each with its reconstruction and
    their difference on a scale of -200 to 200 HU. Each voxel is drawn as a square, regardless of
    its spacing.
    """
    parts = [part for row in rows for part in (_heading(row.name), *_strips(row))]
    sheet = Image.new("RGB", (max(part.width for part in parts), sum(p.height for p in parts)))
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


def _heading(name: str) -> Image.Image:
    strip = Image.new("RGB", (len(COLUMNS) * (CELL_PIXELS + GAP_PIXELS), HEADER_PIXELS), BACKGROUND)
    title = f"{name}: {', '.join(COLUMNS)}"
    ImageDraw.Draw(strip).text((GAP_PIXELS, 5), title, "#f2f2f2", ImageFont.load_default(15))
    return strip


def _strips(row: Reconstruction) -> list[Image.Image]:
    """Return an image for each plane: scan, reconstruction and difference side by side."""
    volumes = (
        (row.hu, SOFT_TISSUE_HU),
        (row.decoded_hu, SOFT_TISSUE_HU),
        (row.decoded_hu - row.hu, DIFFERENCE_HU),
    )
    strips = []
    for axis in PLANES.values():
        cells = [_cell(volume, axis, window) for volume, window in volumes]
        step = CELL_PIXELS + GAP_PIXELS
        strip = Image.new("RGB", (len(cells) * step, cells[0].height + GAP_PIXELS), BACKGROUND)
        for index, cell in enumerate(cells):
            strip.paste(cell, (index * step, 0))
        strips.append(strip)
    return strips


def _cell(volume: FloatArray, axis: int, window: tuple[float, float]) -> Image.Image:
    cell = Image.fromarray(_plane(volume, axis, window))
    scale = CELL_PIXELS / max(cell.size)
    return cell.resize((round(cell.width * scale), round(cell.height * scale)))


def _plane(volume: FloatArray, axis: int, window: tuple[float, float]) -> NDArray[np.uint8]:
    """Return the middle slice along ``axis`` as gray values, in radiological orientation.

    Anterior (or superior) is up. The patient's right (or anterior) is on the left.
    """
    image = np.take(volume, volume.shape[axis] // 2, axis).T[::-1, ::-1]
    low, high = window
    gray: NDArray[np.uint8] = (np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return gray
