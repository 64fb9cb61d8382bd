"""The Dice ladder: TotalSegmentator's pancreas compared with expert masks and with itself.

Three of its four rungs need real scans with expert masks and are computed here. The remaining one,
(c), is the agreement of two models on samples, which is a score like any other
(``evaluation.organs.metrics``). Tumor counts as pancreas, both in masks and in scans.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.organs.dice import dice
from evaluation.organs.finder import Segmenter
from evaluation.organs.placement import Host, place
from evaluation.organs.weights import PANCREAS
from ldm.data.cohort.expert_mask import read_pancreas
from ldm.data.cohort.mask_labels import DECATHLON, MaskLabels
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.grid import to_grid
from ldm.data.geometry.volume import BoolArray, Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedScan:
    """A held-out scan with its expert mask.

    ``host`` has the scan's file and its field of view. ``mask`` is the file of the expert mask,
    and ``labels`` says what its labels stand for.
    """

    case_id: str
    host: Host
    mask: Path
    labels: MaskLabels = DECATHLON


class DiceLadder:
    """Computes the rungs of the Dice ladder with one model of TotalSegmentator.

    The methods take one volume per scan on the grid of the diffusion model, in the order of the
    scans.

    Parameters
    ----------
    scans
        Held-out scans with expert masks.
    segment
        The model; it returns labels of task ``total``.
    is_put_back
        Whether a volume is put back into its scan and segmented there, as samples of this crop are,
        instead of being segmented alone.
    known
        Results of ``real_dice`` by case, filled by this object. They do not depend on the grid, so
        ladders of other grids can share them.
    """

    def __init__(
        self,
        scans: Sequence[MaskedScan],
        segment: Segmenter,
        *,
        is_put_back: bool,
        known: dict[str, float] | None = None,
    ) -> None:
        self.scans = tuple(scans)
        self._segment = segment
        self._hosts = [scan.host for scan in scans]
        self._is_put_back = is_put_back
        self._known = {} if known is None else known

    def real_dice(self) -> list[float]:
        """Return rung (a): for each whole real scan, TotalSegmentator against the expert mask."""
        for scan in self.scans:
            if scan.case_id not in self._known:
                mask, _ = read_pancreas(scan.mask, scan.labels, scan.host.image)
                found = self._segment(read_scan(scan.host.image)) == PANCREAS
                self._known[scan.case_id] = dice(found, mask)
        return [self._known[scan.case_id] for scan in self.scans]

    def against_itself(
        self, volumes: Iterable[Volume], reals: Iterable[Volume]
    ) -> tuple[list[float], list[float]]:
        """Return rung (b), and the Dice of the same volumes against the expert masks.

        Rung (b) compares TotalSegmentator on each volume with TotalSegmentator on the real volume
        that it was made from. Both lists come from one segmentation of each volume.
        """
        of_itself, of_experts = [], []
        for index, (volume, real) in enumerate(zip(volumes, reals, strict=True)):
            found = self._pancreas(index, volume)
            of_itself.append(dice(found, self._pancreas(index, real)))
            of_experts.append(dice(found, self._truth(index, volume)))
        return of_itself, of_experts

    def against_masks(self, volumes: Iterable[Volume]) -> list[float]:
        """Return rung (d): TotalSegmentator on each volume against the expert mask of its scan."""
        return [
            dice(self._pancreas(index, volume), self._truth(index, volume))
            for index, volume in enumerate(volumes)
        ]

    def _pancreas(self, index: int, volume: Volume) -> BoolArray:
        """Return the mask of the pancreas that is found in a volume.

        The volume is segmented alone or put back into its scan. In a scan, the mask covers only the
        region that the volume replaces.
        """
        hosts = [self._hosts[index]] if self._is_put_back else []
        placed, region = place(0, volume, hosts)
        found: BoolArray = self._segment(placed)[region] == PANCREAS
        return found

    def _truth(self, index: int, volume: Volume) -> BoolArray:
        """Return the expert mask on the same voxels as the result of ``_pancreas``."""
        scan = self.scans[index]
        organ, affine = read_pancreas(scan.mask, scan.labels, scan.host.image)
        mask = Volume(array=organ.astype(np.float32), affine=affine)
        if self._is_put_back:
            _, region = place(0, volume, [self._hosts[index]])
            return mask.array[region] > 0
        x, y, z = volume.array.shape
        return to_grid(mask, scan.host.view, (x, y, z)).array > 0.5
