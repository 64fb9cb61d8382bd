"""Encode scans on the model's grid and write their latents. Runs in the actor of the encoder."""

import numpy as np
import torch

from ldm.autoencoder.model import encode, load_autoencoder
from ldm.data.cohort.cohort import Split
from ldm.data.geometry.intensity import to_unit
from ldm.data.geometry.volume import FloatArray
from ldm.data.latents.draft import StoreDraft
from ldm.data.latents.gridding import GriddedScan
from ldm.data.latents.statistics import HalfArray
from orchestration.preparation.encoder_config import EncoderConfig


class Encoder:
    """Encodes one scan at a time with an autoencoder that stays on its device."""

    def __init__(self, config: EncoderConfig) -> None:
        self._sharing = config.sharing
        torch.set_num_threads(config.n_threads)
        self._device = torch.device(config.device)
        self._autoencoder = load_autoencoder(config.autoencoder, config.weights, self._device)
        self._drafts = {size: StoreDraft(target) for size, target in config.targets.items()}

    def keep(self, gridded: list[GriddedScan] | str) -> str | None:
        """Write a scan into the store of each input size. Encodes it if it is for training.

        ``gridded`` is the scan on the grid of each input size, or the reason why it cannot be used.
        Returns this reason, otherwise None.
        """
        if isinstance(gridded, str):
            return gridded
        for one in gridded:
            draft = self._drafts[one.image.input_size]
            if not draft.has(one.scan.case_id):
                latents = self._encode(one.hu) if one.scan.split is Split.TRAIN else {}
                draft.add(one.scan, hu=one.hu, planes=one.planes, latents=latents)
                self._sharing.push_tree(draft.scans, to=draft.target / "scans")
        return None

    def _encode(self, hu: FloatArray) -> dict[str, HalfArray]:
        unit = torch.from_numpy(np.ascontiguousarray(to_unit(hu)))
        posterior = encode(self._autoencoder, unit[None, None].to(self._device))
        return {
            name: value[0].half().cpu().numpy()
            for name, value in (("mean", posterior.mean), ("std", posterior.std))
        }
