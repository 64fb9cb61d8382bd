"""Embed pictures in an HTML page, so that the page is a single file."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

WEBP_QUALITY = 85


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture for an HTML page.

    Attributes
    ----------
    title
        A short caption.
    alt
        Says what the picture shows or, without a picture, why there is none.
    uri
        The picture as a data URI, or None if its file is missing or damaged.
    width_pixels, height_pixels
        The size of the picture, 0 without one.
    """

    title: str
    alt: str
    uri: str | None
    width_pixels: int = 0
    height_pixels: int = 0


def svg_uri(svg: bytes) -> str:
    """Return an SVG as a data URI. Browsers run no scripts in an SVG that an image shows."""
    return f"data:image/svg+xml;base64,{b64encode(svg).decode()}"


def embed(path: Path, *, title: str, alt: str) -> Picture:
    """Read a PNG file and convert it to WebP, which is smaller.

    ``alt`` says what the picture shows.

    If the file is missing or damaged, the result has no picture and its ``alt`` says so.
    """
    if not path.is_file():
        return Picture(title=title, alt=f"{path.name} does not exist", uri=None)
    buffer = BytesIO()
    try:
        with Image.open(path) as image:
            image.convert("RGB").save(buffer, "WEBP", quality=WEBP_QUALITY)
            width, height = image.size
    except (OSError, UnidentifiedImageError) as error:
        return Picture(title=title, alt=f"{path.name} cannot be read: {error}", uri=None)
    return Picture(
        title=title,
        alt=alt,
        uri=f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}",
        width_pixels=width,
        height_pixels=height,
    )
