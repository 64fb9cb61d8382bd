"""The Dice ladder: what TotalSegmentator says of the pancreas, against experts and against itself.

Three rungs need real scans with expert masks; the fourth, the agreement of two models on samples,
is a score like the others (``evaluation.organs.anatomy``). Tumor counts as pancreas, in masks as in
scans.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.organs.dice import dice
from evaluation.organs.finder import Segmenter
from evaluation.organs.placement import Host, place
from evaluation.organs.weights import PANCREAS
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.grid import to_grid
from ldm.data.geometry.volume import BoolArray, Volume, read_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedScan:
    """A held-out scan with its expert mask."""

    case_id: str
    host: Host
    mask: Path


class DiceLadder:
    """Segments with one model; volumes of the model's grid stand alone or are put back.

    Volume i is always of scan i. ``is_put_back`` says how samples of this crop are segmented;
    ``known`` keeps what does not depend on the grid, by case, for the ladders of other grids.
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
        """(a) TotalSegmentator on each whole real scan against its expert mask."""
        for scan in self.scans:
            if scan.case_id not in self._known:
                mask, _ = read_labels(scan.mask)
                found = self._segment(read_scan(scan.host.image)) == PANCREAS
                self._known[scan.case_id] = dice(found, mask > 0)
        return [self._known[scan.case_id] for scan in self.scans]

    def against_itself(
        self, volumes: Iterable[Volume], reals: Iterable[Volume]
    ) -> tuple[list[float], list[float]]:
        """(b) TotalSegmentator on each volume against TotalSegmentator on its real one.

        Then against the expert mask: the volume is segmented once.
        """
        of_itself, of_experts = [], []
        for index, (volume, real) in enumerate(zip(volumes, reals, strict=True)):
            found = self._pancreas(index, volume)
            of_itself.append(dice(found, self._pancreas(index, real)))
            of_experts.append(dice(found, self._truth(index, volume)))
        return of_itself, of_experts

    def against_masks(self, volumes: Iterable[Volume]) -> list[float]:
        """(d) TotalSegmentator on each volume against the expert mask of its scan."""
        return [
            dice(self._pancreas(index, volume), self._truth(index, volume))
            for index, volume in enumerate(volumes)
        ]

    def _pancreas(self, index: int, volume: Volume) -> BoolArray:
        """What is found in the place of a volume."""
        hosts = [self._hosts[index]] if self._is_put_back else []
        placed, region = place(0, volume, hosts)
        found: BoolArray = self._segment(placed)[region] == PANCREAS
        return found

    def _truth(self, index: int, volume: Volume) -> BoolArray:
        """The expert mask where ``_pancreas`` looks: in the scan, or on the model's grid."""
        scan = self.scans[index]
        labels, affine = read_labels(scan.mask)
        mask = Volume(array=(labels > 0).astype(np.float32), affine=affine)
        if self._is_put_back:
            _, region = place(0, volume, [self._hosts[index]])
            return mask.array[region] > 0
        x, y, z = volume.array.shape
        return to_grid(mask, scan.host.view, (x, y, z)).array > 0.5
