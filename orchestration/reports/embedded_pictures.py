"""Pictures inside of a page, so that it is one file that needs no other."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

WEBP_QUALITY = 85


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as a data URI; ``alt`` says what it shows, or why there is none."""

    title: str
    alt: str
    uri: str | None
    width_pixels: int = 0
    height_pixels: int = 0


def svg_uri(svg: bytes) -> str:
    """An SVG as a data URI; as the source of an image it cannot run scripts."""
    return f"data:image/svg+xml;base64,{b64encode(svg).decode()}"


def embed(path: Path, *, title: str, alt: str) -> Picture:
    """A PNG as WebP, which is smaller; a missing or broken file says so in its place."""
    if not path.is_file():
        return Picture(title=title, alt=f"{path.name} is not there", uri=None)
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
