"""What is said of trained weights: their quality by crop, and the file that keeps it.

Standard library only: commands read it without torch.
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
    """Means over the ``n`` volumes of one crop; the error with a 95 % bootstrap interval.

    All of the HU window: the mean absolute error of a voxel in HU, the peak signal-to-noise ratio
    in dB and the structural similarity of the whole window (MONAI's, Gaussian, 11 voxels).
    """

    crop: Crop
    n: int
    error_hu: float
    error_hu_low: float
    error_hu_high: float
    psnr_db: float
    ssim: float

    def metrics(self) -> dict[str, float]:
        """Flat numbers for tracking; MLflow's names may hold a slash."""
        names = ("error_hu", "error_hu_low", "error_hu_high", "psnr_db", "ssim")
        return {f"{self.crop}/{name}": float(getattr(self, name)) for name in names}


def read_qualities(folder: Path) -> tuple[CropQuality, ...] | None:
    """What the weights of a finished training do; None for one that has not ended."""
    path = folder / QUALITY_FILE
    if not path.is_file():
        return None
    crops = read_object(path).get("crops")
    if not isinstance(crops, list):
        raise InputError(f"{path} must hold a list of crops: remove it, it is made again")
    return tuple(from_dict(CropQuality, one) for one in crops)


def describe(qualities: Sequence[CropQuality]) -> list[str]:
    """A line for each crop, for people."""
    return [
        f"{one.crop}: mean absolute error {one.error_hu:.1f} HU ({one.error_hu_low:.1f} to "
        f"{one.error_hu_high:.1f}), PSNR {one.psnr_db:.1f} dB, SSIM {one.ssim:.3f} "
        f"on {one.n} held-out scans"
        for one in qualities
    ]
