"""Measure how well an autoencoder reconstructs scans that it was not trained on."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from ldm.autoencoder.model import decode, encode
from ldm.autoencoder.quality import CropQuality
from ldm.config import Crop
from ldm.data.geometry.intensity import to_hu, to_unit
from ldm.data.geometry.volume import FloatArray
from ldm.loss_networks import PSNRMetric, SSIMMetric
from ldm.networks import AutoencoderKL

N_BOOTSTRAP = 500
INTERVAL = (2.5, 97.5)  # percentiles of a 95 % interval


def reconstruct(network: AutoencoderKL, hu: FloatArray, device: torch.device) -> FloatArray:
    """Encode a volume to the posterior mean, and return the volume that is decoded from it.

    Both are HU of shape (x, y, z).
    """
    image = torch.from_numpy(to_unit(hu))[None, None].to(device)
    decoded: FloatArray = decode(network, encode(network, image).mean)[0, 0].cpu().numpy()
    return to_hu(decoded)


def measure_quality(
    network: AutoencoderKL, volumes: Mapping[Crop, Iterable[FloatArray]], device: torch.device
) -> tuple[CropQuality, ...]:
    """Return the reconstruction quality of each crop.

    Volumes are HU (x, y, z), with at least 11 voxels along each axis for the SSIM window. The
    network is put into evaluation mode for the time of the measurement.
    """
    was_training = network.training
    network.eval()
    found = tuple(
        _summary(crop, [_scores(hu, reconstruct(network, hu, device)) for hu in of_crop])
        for crop, of_crop in volumes.items()
    )
    network.train(was_training)
    return found


def _scores(hu: FloatArray, decoded_hu: FloatArray) -> tuple[float, float, float]:
    """Return the error in HU, the PSNR in dB and the SSIM of one volume.

    All three are computed after clipping to the HU window.
    """
    original, decoded = (torch.from_numpy(to_unit(a))[None, None] for a in (hu, decoded_hu))
    windowed = to_hu(to_unit(hu))
    psnr = PSNRMetric(max_val=1.0)(decoded, original)
    ssim = SSIMMetric(spatial_dims=3, data_range=1.0)(decoded, original)
    return float(np.abs(decoded_hu - windowed).mean()), float(psnr), float(ssim)


def _summary(crop: Crop, scores: list[tuple[float, float, float]]) -> CropQuality:
    errors, psnr, ssim = np.array(scores, np.float64).T
    low, high = _interval(errors)
    return CropQuality(
        crop=crop,
        n=len(errors),
        error_hu=float(errors.mean()),
        error_hu_low=low,
        error_hu_high=high,
        psnr_db=float(psnr.mean()),
        ssim=float(ssim.mean()),
    )


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean, resampling volumes with replacement."""
    draws = np.random.default_rng(0).integers(0, len(values), (N_BOOTSTRAP, len(values)))
    low, high = np.percentile(values[draws].mean(1), INTERVAL).tolist()
    return low, high
