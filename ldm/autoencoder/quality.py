"""The measured quality of trained weights, and the file that stores it.

Imports no torch, so that commands can read the file quickly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ldm.config import Crop
from ldm.errors import InputError
from ldm.files.dataclass_json import from_dict
from ldm.files.json_file import read_object

WEIGHTS_FILE = "autoencoder.safetensors"
QUALITY_FILE = "evaluation.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CropQuality:
    """Reconstruction quality of one crop.

    The scores are means over volumes, computed within the HU window.

    Attributes
    ----------
    crop
        The crop.
    n
        Number of volumes.
    error_hu
        Mean absolute error of a voxel, in HU.
    error_hu_low, error_hu_high
        Bounds of the 95 % bootstrap interval of ``error_hu``.
    psnr_db
        Peak signal-to-noise ratio in dB.
    ssim
        Structural similarity (MONAI's, with a Gaussian window of 11 voxels).
    """

    crop: Crop
    n: int
    error_hu: float
    error_hu_low: float
    error_hu_high: float
    psnr_db: float
    ssim: float

    def metrics(self) -> dict[str, float]:
        """Return the scores as numbers for tracking, with names such as ``pancreas/ssim``."""
        names = ("error_hu", "error_hu_low", "error_hu_high", "psnr_db", "ssim")
        return {f"{self.crop}/{name}": float(getattr(self, name)) for name in names}


def read_qualities(folder: Path) -> tuple[CropQuality, ...] | None:
    """Return the quality of each crop after a finished training, or None if it is not finished.

    Raises ``InputError`` if the file is damaged.
    """
    path = folder / QUALITY_FILE
    if not path.is_file():
        return None
    crops = read_object(path).get("crops")
    if not isinstance(crops, list):
        raise InputError(
            "the evaluation must hold a list of crops",
            place=path,
            remedy="delete the file, so that it is made again",
        )
    return tuple(from_dict(CropQuality, one) for one in crops)


def describe_quality(qualities: Sequence[CropQuality]) -> list[str]:
    """Return a sentence for each crop, for the terminal."""
    return [
        f"{one.crop}: mean absolute error {one.error_hu:.1f} HU ({one.error_hu_low:.1f} to "
        f"{one.error_hu_high:.1f}), PSNR {one.psnr_db:.1f} dB, SSIM {one.ssim:.3f} "
        f"on {one.n} held-out scans"
        for one in qualities
    ]
