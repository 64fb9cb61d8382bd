"""Write letters for the sides of the patient at the edges of a slice in a picture."""

from PIL import ImageDraw, ImageFont

# The sides at the left, right, upper and lower edge of each plane: right, left, anterior,
# posterior, superior, inferior.
SIDES = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}
COLOR, OUTLINE = "#ffd700", "#101014"
LETTER_PIXELS, GAP_PIXELS = 12, 2
ANCHORS = ("lm", "rm", "ma", "md")  # of Pillow: left, right, top and bottom of a letter


def draw_sides(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], size: tuple[int, int], plane: str
) -> None:
    """Write the four letters of a plane inside the edges of a slice.

    ``corner`` is the upper left corner of the slice in the picture, and ``size`` its width and
    height, all in pixels. The letters have a dark outline, so that they can be read on bone.
    """
    left, top = corner
    width, height = size
    right, bottom = left + width - GAP_PIXELS, top + height - GAP_PIXELS
    left, top = left + GAP_PIXELS, top + GAP_PIXELS
    across, up = (left + right) / 2, (top + bottom) / 2
    places = ((left, up), (right, up), (across, top), (across, bottom))
    font = ImageFont.load_default(LETTER_PIXELS)
    for letter, place, anchor in zip(SIDES[plane], places, ANCHORS, strict=True):
        draw.text(place, letter, COLOR, font, anchor, stroke_width=1, stroke_fill=OUTLINE)
