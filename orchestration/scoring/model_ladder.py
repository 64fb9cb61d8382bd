"""The steps of the Dice ladder that need networks: autoencoder and denoiser on held-out scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from evaluation.measurement import Better, Measurement
from evaluation.nonsense import nonsense_volumes
from evaluation.organs.ladder import DiceLadder
from evaluation.score import Score, mean_score
from ldm.autoencoder.model import encode
from ldm.data.geometry.intensity import to_unit
from ldm.data.geometry.volume import Volume
from ldm.data.latents.whitening import WhiteningStatistics
from ldm.diffusion.checkpoint import Sampler
from ldm.diffusion.denoise import denoise
from ldm.diffusion.sample import decode_to_hu
from ldm.files.json_file import read_dataclass, write_dataclass
from ldm.networks import AutoencoderKL

IDENTITY = WhiteningStatistics(mean=(0.0,), std=(1.0,))


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRungs:
    """Dice scores of the pancreas that are measured once for a cohort, crop and grid.

    Attributes
    ----------
    real_dice
        TotalSegmentator against expert masks, on real scans.
    autoencoder_dice
        TotalSegmentator on scans before and after encoding and decoding.
    denoised_ceiling, denoised_floor
        The scale of ``denoised_dice``: TotalSegmentator against expert masks, on scans that were
        only encoded and decoded, and on smooth noise.
    """

    real_dice: Score
    autoencoder_dice: Score
    denoised_ceiling: Score
    denoised_floor: Score


class ModelLadder:
    """Measures how much of the pancreas of held-out scans survives the networks.

    ``reals`` are the held-out scans of ``ladder`` on the model's grid. Scores that need no denoiser
    are stored in ``folder``.
    """

    def __init__(
        self,
        ladder: DiceLadder,
        reals: Sequence[Volume],
        autoencoder: AutoencoderKL,
        device: torch.device,
        folder: Path,
    ) -> None:
        self._ladder, self._reals = ladder, list(reals)
        self._autoencoder, self._device = autoencoder, device
        self._latents = self._encode()
        self.rungs = self._rungs(folder / "rungs.json")

    def denoised_dice(self, network: nn.Module, sampler: Sampler) -> Measurement:
        """Score scans that are noised for half of the steps and then denoised by a model.

        The score is the Dice of TotalSegmentator and expert masks. Even the anatomy of another
        patient scores well, because crops are framed around the pancreas.
        """
        config = sampler.config
        latents = denoise(
            network,
            sampler.whitening.whiten(self._latents),
            objective=config.training.objective,
            sampling=config.sampling,
        )
        volumes = self._decode(latents.cpu(), sampler.whitening)
        return Measurement(
            name="denoised_dice",
            unit="",
            better=Better.HIGHER,
            score=_score(self._ladder.against_masks(volumes)),
            real=self.rungs.denoised_ceiling,
            nonsense=self.rungs.denoised_floor,
        )

    def _encode(self) -> Tensor:
        images = np.stack([to_unit(real.array) for real in self._reals])[:, None]
        return encode(self._autoencoder, torch.from_numpy(images).to(self._device)).mean

    def _decode(self, latents: Tensor, whitening: WhiteningStatistics) -> list[Volume]:
        hu = decode_to_hu(self._autoencoder, latents, whitening, self._device)
        return [
            Volume(array=array, affine=real.affine)
            for array, real in zip(hu, self._reals, strict=True)
        ]

    def _rungs(self, path: Path) -> CohortRungs:
        if path.is_file():
            return read_dataclass(CohortRungs, path)
        decoded = self._decode(self._latents.cpu(), IDENTITY)
        noise = [volume for _, volume in nonsense_volumes(self._reals, len(self._reals))]
        of_itself, of_experts = self._ladder.against_itself(decoded, self._reals)
        rungs = CohortRungs(
            real_dice=_score(self._ladder.real_dice()),
            autoencoder_dice=_score(of_itself),
            denoised_ceiling=_score(of_experts),
            denoised_floor=_score(self._ladder.against_masks(noise)),
        )
        write_dataclass(path, rungs)
        return rungs


def _score(values: list[float]) -> Score:
    return mean_score(np.array(values))
