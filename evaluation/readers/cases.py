"""Prepare the cases of a reader study: pictures that do not reveal what is real, and their key.

This repeats the study's experiment "Rating UMCU" (its Table 3), with real scans mixed among the
samples.
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
CRITERIA = (  # the levels are those of the study's Table 3, in our words
    "nothing but noise: no organ can be recognized",
    "noisy: a few organs can be guessed",
    "some noise: some organs are visible, but faint",
    "fairly realistic: some organs are clear",
    "realistic: most organs are as clear as in a real scan",
    "indistinguishable from a real scan: all organs are as clear",
)
INSTRUCTIONS = f"""# Ratings

Each case has three pictures, one for each plane. Rate each picture with a whole number from 0 to 5:

{chr(10).join(f"- {rating}: {text}" for rating, text in enumerate(CRITERIA))}

Write your name and your rating in every line of {RATINGS_FILE}. Some of the cases are real scans.
Please rate on your own, in the order of the file, and do not change earlier ratings.
"""


class CaseKind(StrEnum):
    """Whether a case is a real scan or a sample."""

    REAL = "real"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderCase:
    """One line of the key.

    Attributes
    ----------
    case
        The name that readers see, for example "case_001".
    kind
        Whether the case is real or synthetic.
    file
        Name of the file that it was drawn from.
    """

    case: str
    kind: CaseKind
    file: str


def prepare_cases(samples: Path, real: Path, out: Path, *, seed: int) -> tuple[ReaderCase, ...]:
    """Write the pictures and an empty ratings.csv for the readers, and the key of the cases.

    Pictures and ratings.csv go to ``out/for_readers``, the key to ``out/key.csv``. The cases are in
    random order. All volumes must have the same number of voxels, and all are drawn with the
    spacing of the first sample, so that neither size nor shape reveals what is real.

    Parameters
    ----------
    samples, real
        Folders of NIfTI files.
    out
        A new or empty folder.
    seed
        Seed of the order of the cases.

    Raises
    ------
    InputError
        If a folder has no NIfTI file, if volumes differ in shape, or if ``out`` is not empty.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(
            "cases are written into a new or empty folder",
            seen=f"{out} is not empty",
            remedy="choose another folder",
        )
    files = [(CaseKind.SYNTHETIC, path) for path in nifti_files(samples)]
    files += [(CaseKind.REAL, path) for path in nifti_files(real)]
    first = read_scan(files[0][1])
    order = np.random.default_rng(seed).permutation(len(files)).tolist()
    cases, pictures = [], {}
    for number, index in enumerate(order, start=1):
        kind, path = files[index]
        case = ReaderCase(case=f"case_{number:03d}", kind=kind, file=path.name)
        pictures[case.case] = draw_planes(_read_like(path, first), first.spacing_mm)
        cases.append(case)
    _save(out / FOR_READERS, pictures)
    lines = [("", case.case, name, "") for case in cases for name in PLANES]
    write_table(out / FOR_READERS / RATINGS_FILE, RATINGS_COLUMNS, lines)
    (out / FOR_READERS / "README.md").write_text(INSTRUCTIONS)
    write_table(out / KEY_FILE, KEY_COLUMNS, [(one.case, one.kind, one.file) for one in cases])
    return tuple(cases)


def draw_planes(volume: Volume, spacing_mm: NDArray[np.float64]) -> dict[str, Image.Image]:
    """Draw the three middle slices of a volume, by the name of their plane.

    ``spacing_mm``, shape (3,), replaces the volume's own spacing.
    """
    x, y, z = spacing_mm.tolist()
    sides = {2: (x, y), 1: (x, z), 0: (y, z)}  # across and up, by the axis that is cut
    return {
        name: draw(plane(volume.array, axis), *sides[axis])
        for name, axis in zip(PLANES, (2, 1, 0), strict=True)
    }


def draw(image: FloatArray, across_mm: float, up_mm: float) -> Image.Image:
    """Draw a slice in HU in the abdominal window, with 512 pixels along its longer side.

    ``across_mm`` and ``up_mm`` are the size of a pixel of ``image``; the picture keeps the true
    proportions.
    """
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
            "all volumes must have the same size, so that readers cannot recognize real scans by "
            "theirs",
            seen=f"the first sample has {first.array.shape} voxels, {path} has "
            f"{volume.array.shape}",
            remedy="resample the real scans to the samples' grid",
        )
    return volume


def _save(folder: Path, pictures: Mapping[str, Mapping[str, Image.Image]]) -> None:
    """Write all pictures. Call it after all scans were read, so that an error leaves no files."""
    folder.mkdir(parents=True, exist_ok=True)
    for case, planes in pictures.items():
        for name, picture in planes.items():
            picture.save(folder / f"{case}_{name}.png")
