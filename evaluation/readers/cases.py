"""The cases of a reader study: pictures without a trace of what is real, and the key to them.

The study's experiment (``thesis`` "Rating UMCU", its Table 3), with real scans among the samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.observer import check_finite
from evaluation.panels import PLANES, plane
from evaluation.tables import write_table
from evaluation.volume_folder import nifti_files
from evaluation.windows import DISPLAY_HU
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.volume import FloatArray, Volume
from ldm.errors import InputError

LONGEST_SIDE_PIXELS = 512
FOR_READERS, RATINGS_FILE, KEY_FILE = "for_readers", "ratings.csv", "key.csv"
RATINGS_COLUMNS = ("reader", "case", "plane", "rating")
KEY_COLUMNS = ("case", "kind", "file")
CRITERIA = (  # ours to say; the levels are those of the study's Table 3
    "nothing but noise: no organ can be told",
    "noisy: a few organs can be guessed",
    "some noise: some organs are seen, but faintly",
    "fairly realistic: some organs are clear",
    "realistic: most organs are as clear as in a real scan",
    "cannot be told from a real scan: all organs are as clear",
)
INSTRUCTIONS = f"""# Ratings

Each case has three pictures, one a plane. Give each picture a whole number from 0 to 5:

{chr(10).join(f"- {rating}: {text}" for rating, text in enumerate(CRITERIA))}

Write your name and the rating in every line of {RATINGS_FILE}. Some cases are real scans. Please
rate alone, in the order of the file, and do not go back.
"""


class Kind(StrEnum):
    """What a case is."""

    REAL = "real"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of the key: its number for the readers, and what it is."""

    case: str
    kind: Kind
    file: str


def prepare_cases(samples: Path, real: Path, out: Path, *, seed: int) -> tuple[Case, ...]:
    """Write pictures and ratings.csv under ``out/for_readers``, and ``out/key.csv`` beside it.

    The cases are in random order. All volumes must have the same voxels, and all are drawn with
    the spacing of the first sample: neither size nor shape tells a case. Raises InputError for
    a folder without scans, for unlike grids, and unless ``out`` is new or empty.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"cases are written into a new folder, {out} is not empty: name another")
    files = [(Kind.SYNTHETIC, path) for path in nifti_files(samples)]
    files += [(Kind.REAL, path) for path in nifti_files(real)]
    first = read_scan(files[0][1])
    order = np.random.default_rng(seed).permutation(len(files)).tolist()
    cases, pictures = [], {}
    for number, index in enumerate(order, start=1):
        kind, path = files[index]
        case = Case(case=f"case_{number:03d}", kind=kind, file=path.name)
        pictures[case.case] = draw_planes(_read_like(path, first), first.spacing_mm)
        cases.append(case)
    _save(out / FOR_READERS, pictures)
    lines = [("", case.case, name, "") for case in cases for name in PLANES]
    write_table(out / FOR_READERS / RATINGS_FILE, RATINGS_COLUMNS, lines)
    (out / FOR_READERS / "README.md").write_text(INSTRUCTIONS)
    write_table(out / KEY_FILE, KEY_COLUMNS, [(one.case, one.kind, one.file) for one in cases])
    return tuple(cases)


def draw_planes(volume: Volume, spacing_mm: NDArray[np.float64]) -> dict[str, Image.Image]:
    """The three middle slices by the name of their plane, drawn with this spacing."""
    x, y, z = spacing_mm.tolist()
    sides = {2: (x, y), 1: (x, z), 0: (y, z)}  # across and up, by the axis that is cut
    return {
        name: draw(plane(volume.array, axis), *sides[axis])
        for name, axis in zip(PLANES, (2, 1, 0), strict=True)
    }


def draw(image: FloatArray, across_mm: float, up_mm: float) -> Image.Image:
    """A slice in the abdominal window, 512 pixels along its longer side, true to mm."""
    low, high = DISPLAY_HU
    gray = np.rint((image.clip(low, high) - low) / (high - low) * 255).astype(np.uint8)
    width_mm, height_mm = image.shape[1] * across_mm, image.shape[0] * up_mm
    pixels_a_mm = LONGEST_SIDE_PIXELS / max(width_mm, height_mm)
    size = max(1, round(width_mm * pixels_a_mm)), max(1, round(height_mm * pixels_a_mm))
    return Image.fromarray(gray).resize(size, Image.Resampling.BICUBIC)


def _read_like(path: Path, first: Volume) -> Volume:
    volume = read_scan(path)
    check_finite(str(path), volume.array)
    if volume.array.shape != first.array.shape:
        raise InputError(
            f"readers must not tell a case by its size: the first sample has {first.array.shape} "
            f"voxels, {path} has {volume.array.shape}: put the real scans on the samples' grid"
        )
    return volume


def _save(folder: Path, pictures: Mapping[str, Mapping[str, Image.Image]]) -> None:
    """When all scans are read: one that cannot be used leaves nothing behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for case, planes in pictures.items():
        for name, picture in planes.items():
            picture.save(folder / f"{case}_{name}.png")
