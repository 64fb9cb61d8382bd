"""Draw contact sheets: three planes of each scan, with the crop and the model's field of view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evaluation.windows import DISPLAY_HU
from ldm.data.geometry.planes import PLANES, ScanBox, ThinArray
from ldm.data.geometry.side_letters import draw_sides

ROWS_A_PAGE = 10
CELL_PIXELS = 208  # width of a cell; its height follows from the highest plane
MARGIN_PIXELS = 8
LABEL_LINES_PIXELS = 118
GAP_PIXELS = 6
LABEL_PIXELS = 200
HEADER_PIXELS = 84
BACKGROUND, TEXT, FAINT = "#101014", "#f2f2f2", "#9a9aa5"
CROP_COLOR, VIEW_COLOR = "#ffb000", "#4cc9f0"


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """One scan on a contact sheet.

    Attributes
    ----------
    name
        Name of the scan.
    note
        Text below the name; it may have several lines.
    planes
        Slices in HU (int16) by the name of their plane.
    size_mm
        Size of the scan along x, y and z.
    crop
        The crop, in mm from the corner of the scan.
    view
        The part that the model sees, in mm from the corner of the scan.
    """

    name: str
    note: str
    planes: Mapping[str, ThinArray]
    size_mm: tuple[float, float, float]
    crop: ScanBox
    view: ScanBox


def write_contact_sheets(folder: Path, rows: Sequence[SheetRow], title: str) -> list[Path]:
    """Write the contact sheets to an existing folder and return their paths.

    Ten scans fit on a page. The files are ``contact_sheet.png``, ``contact_sheet_2.png`` and so on.
    Without ``rows``, nothing is written.
    """
    paths = []
    n_pages = -(-len(rows) // ROWS_A_PAGE)
    for page in range(n_pages):
        suffix = f"_{page + 1}" if page else ""
        paths.append(folder / f"contact_sheet{suffix}.png")
        part = rows[page * ROWS_A_PAGE : (page + 1) * ROWS_A_PAGE]
        where = f", page {page + 1} of {n_pages}" if n_pages > 1 else ""
        draw_sheet(part, title + where).save(paths[-1], optimize=True)
    return paths


def draw_sheet(rows: Sequence[SheetRow], title: str) -> Image.Image:
    """Draw one page with the given rows, at least one, below the title.

    All planes have the same scale and the orientation that radiologists expect, and letters at
    their edges name the sides of the patient.
    """
    x_mm, y_mm, z_mm = np.max([row.size_mm for row in rows], axis=0)
    pixels_a_mm = (CELL_PIXELS - MARGIN_PIXELS) / max(x_mm, y_mm, z_mm)
    cell_height = max(round(max(y_mm, z_mm) * pixels_a_mm) + MARGIN_PIXELS, LABEL_LINES_PIXELS)
    width = LABEL_PIXELS + len(PLANES) * (CELL_PIXELS + GAP_PIXELS) + GAP_PIXELS
    height = HEADER_PIXELS + len(rows) * (cell_height + GAP_PIXELS)
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, title)
    for index, row in enumerate(rows):
        top = HEADER_PIXELS + index * (cell_height + GAP_PIXELS)
        draw.text((GAP_PIXELS * 2, top + 8), row.name, TEXT, ImageFont.load_default(15))
        draw.multiline_text(
            (GAP_PIXELS * 2, top + 32), row.note, FAINT, ImageFont.load_default(13), spacing=5
        )
        for column, name in enumerate(PLANES):
            left = LABEL_PIXELS + column * (CELL_PIXELS + GAP_PIXELS)
            sheet.paste(_draw_plane(row, name, pixels_a_mm, cell_height), (left, top))
    return sheet


def _draw_header(draw: ImageDraw.ImageDraw, title: str) -> None:
    draw.text((GAP_PIXELS * 2, 10), title, TEXT, ImageFont.load_default(18))
    font = ImageFont.load_default(14)
    left = GAP_PIXELS * 2
    for color, text in ((CROP_COLOR, "crop"), (VIEW_COLOR, "what the model sees")):
        draw.rectangle((left, 42, left + 14, 54), outline=color, width=2)
        draw.text((left + 20, 39), text, TEXT, font)
        left += 40 + round(draw.textlength(text, font))
    for column, name in enumerate(PLANES):
        draw.text((LABEL_PIXELS + column * (CELL_PIXELS + GAP_PIXELS), 62), name, FAINT, font)


def _draw_plane(row: SheetRow, name: str, pixels_a_mm: float, height: int) -> Image.Image:
    """Draw a cell with the slice in its center and both boxes on it.

    Both axes of the array are reversed, so that the patient's right (or, in the sagittal plane,
    anterior) is on the left, and anterior (or superior) is up.
    """
    across, up = (axis for axis in range(3) if axis != PLANES[name])
    low_hu, high_hu = DISPLAY_HU
    gray = (np.clip((row.planes[name] - low_hu) / (high_hu - low_hu), 0, 1) * 255).astype(np.uint8)
    size = (
        max(1, round(row.size_mm[across] * pixels_a_mm)),
        max(1, round(row.size_mm[up] * pixels_a_mm)),
    )
    image = Image.fromarray(gray.T[::-1, ::-1]).resize(size, Image.Resampling.BILINEAR)
    cell = Image.new("RGB", (CELL_PIXELS, height), "black")
    left, top = (CELL_PIXELS - size[0]) // 2, (height - size[1]) // 2
    cell.paste(image, (left, top))
    draw = ImageDraw.Draw(cell)
    draw_sides(draw, (left, top), size, name)
    for box, color in ((row.crop, CROP_COLOR), (row.view, VIEW_COLOR)):
        right, bottom = left + size[0], top + size[1]
        corners = (
            right - box.high_mm[across] * pixels_a_mm,
            bottom - box.high_mm[up] * pixels_a_mm,
            right - box.low_mm[across] * pixels_a_mm - 1,
            bottom - box.low_mm[up] * pixels_a_mm - 1,
        )
        draw.rectangle(corners, outline=color, width=2)
    return cell
