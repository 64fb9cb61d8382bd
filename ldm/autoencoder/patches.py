"""Random patches of resampled scans, for training an autoencoder."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm.autoencoder.config import AutoencoderTrainingConfig
from ldm.autoencoder.data import GriddedScans, open_grid
from ldm.config import Crop
from ldm.data.geometry.intensity import to_unit

MAX_START_IMAGES = 240


class Patches:
    """Draw random patches from the scans of the training split.

    The scans stay on disk; only the patches are read. Patches are never flipped, because the left
    and the right of a body differ.
    """

    def __init__(self, scans: GriddedScans, config: AutoencoderTrainingConfig) -> None:
        self._config = config
        self._crops = list(scans.training)
        self._grids: dict[Crop, list[NDArray[np.int16]]] = {
            crop: [open_grid(path) for path in paths] for crop, paths in scans.training.items()
        }
        self._shares = torch.tensor([config.share(crop) for crop in self._crops])

    def batch(self, generator: torch.Generator) -> Tensor:
        """Return random patches (n, 1, x, y, z) in [0, 1].

        The crop of a patch is drawn by the configured shares. The scan and the position are drawn
        uniformly.
        """
        chosen = torch.multinomial(
            self._shares, self._config.batch_size, replacement=True, generator=generator
        )
        patches = [self._patch(self._crops[index], generator) for index in chosen.tolist()]
        return torch.from_numpy(to_unit(np.stack(patches).astype(np.float32)))[:, None]

    def _patch(self, crop: Crop, generator: torch.Generator) -> NDArray[np.int16]:
        def below(n: int) -> int:
            return int(torch.randint(n, (), generator=generator))

        grid = self._grids[crop][below(len(self._grids[crop]))]
        sizes = zip(grid.shape, self._config.patch_voxels, strict=True)
        starts = [(below(whole - part + 1), part) for whole, part in sizes]
        return grid[tuple(slice(start, start + part) for start, part in starts)]

    def whole_grids(self) -> Tensor:
        """Return up to 240 whole scans, as images (n, 1, x, y, z) in [0, 1].

        Scans are taken from the crops in turn.
        """
        grids = list(_in_turn(list(self._grids.values())))[:MAX_START_IMAGES]
        return torch.from_numpy(to_unit(np.stack(grids).astype(np.float32)))[:, None]


def _in_turn(lists: list[list[NDArray[np.int16]]]) -> Iterator[NDArray[np.int16]]:
    for index in range(max(map(len, lists))):
        yield from (values[index] for values in lists if index < len(values))
