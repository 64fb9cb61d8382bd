"""A contact sheet draws boxes in the right place and the patient in the right orientation."""

import numpy as np
import pytest

from evaluation.contact_sheet import (
    CELL_PIXELS,
    GAP_PIXELS,
    HEADER_PIXELS,
    LABEL_PIXELS,
    SheetRow,
    draw_sheet,
    write_contact_sheets,
)
from ldm.data.geometry.planes import PLANES, ScanBox

SIZE_MM = (200.0, 160.0, 120.0)
AMBER, BLUE = (255, 176, 0), (76, 201, 240)


def row(name="a", view_high_mm=(150.0, 120.0, 90.0)):
    """Return a dark scan whose planes have one bright quarter.

    It lies at low indices along the first axis of the plane and at high ones along the second. In
    the axial plane this is the patient's left and front.
    """
    planes = {}
    for plane, axis in PLANES.items():
        shape = [n // 2 for a, n in enumerate((200, 160, 120)) if a != axis]
        image = np.full(shape, -160, np.int16)
        image[: shape[0] // 2, shape[1] // 2 :] = 240
        planes[plane] = image
    return SheetRow(
        name=name,
        note="train",
        planes=planes,
        size_mm=SIZE_MM,
        crop=ScanBox(low_mm=(20.0, 20.0, 20.0), high_mm=(180.0, 140.0, 100.0)),
        view=ScanBox(low_mm=(50.0, 40.0, 30.0), high_mm=view_high_mm),
    )


def cell(column=0):
    """Return the pixels of one plane. One pixel is 1 mm, and the axial plane is 200 x 160."""
    sheet = np.asarray(draw_sheet([row()], "title"))
    left = LABEL_PIXELS + column * (CELL_PIXELS + GAP_PIXELS)
    return sheet[HEADER_PIXELS : HEADER_PIXELS + 168, left : left + CELL_PIXELS]


def extent(pixels, color):
    rows, columns = np.nonzero((pixels == color).all(axis=2))
    return (columns.min(), columns.max() + 1), (rows.min(), rows.max() + 1)


def test_the_crop_is_drawn_where_it_lies_in_the_scan():
    (left, right), (top, bottom) = extent(cell(), AMBER)
    assert (left, right) == pytest.approx((4 + 20, 4 + 180), abs=1)
    assert (top, bottom) == pytest.approx((4 + 20, 4 + 140), abs=1)


def test_what_the_model_sees_is_drawn_inside():
    (left, right), (top, bottom) = extent(cell(), BLUE)
    assert (left, right) == pytest.approx((4 + 50, 4 + 150), abs=1)
    assert (top, bottom) == pytest.approx((4 + 40, 4 + 120), abs=1)


def test_the_patients_left_is_at_the_right_and_the_front_is_up():
    gray = cell().mean(axis=2)
    assert gray[10:15, 110:190].mean() > 200  # low x is the patient's left, high y is the front
    assert gray[10:15, 10:90].mean() < 50
    assert gray[145:160, 110:190].mean() < 50


@pytest.mark.parametrize("column", range(3))
def test_four_letters_name_the_sides_of_the_patient(column):
    """Of the golden pixels, some lie at each edge of the slice: 200 x 160, 200 x 120, 160 x 120."""
    red, green, blue = np.moveaxis(cell(column).astype(int), 2, 0)
    rows, columns = np.nonzero((red > 230) & (green > 190) & (blue < 60))
    size = ((200, 160), (200, 120), (160, 120))[column]
    left, top = (CELL_PIXELS - size[0]) // 2, (168 - size[1]) // 2
    assert columns.min() < left + 12 and columns.max() > left + size[0] - 14
    assert rows.min() < top + 14 and rows.max() > top + size[1] - 16


def test_ten_scans_make_a_page(tmp_path):
    pages = write_contact_sheets(tmp_path, [row(str(n)) for n in range(11)], "title")
    assert [page.name for page in pages] == ["contact_sheet.png", "contact_sheet_2.png"]
    assert all(page.is_file() for page in pages)
