"""The organs of a volume, as two models of TotalSegmentator see them."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from evaluation.observation import OrganFinding
from evaluation.organs.anatomy import find_organs
from evaluation.organs.placement import Host, place
from ldm.data.geometry.volume import LabelArray, Volume

Segmenter: TypeAlias = Callable[[Volume], LabelArray]


class OrganFinder:
    """Segments one volume after another, each put into its host where there are hosts."""

    def __init__(
        self,
        *,
        fine: Segmenter,
        coarse: Segmenter,
        organs: Sequence[str],
        hosts: Sequence[Host] = (),
    ) -> None:
        self.organs, self.hosts = tuple(organs), tuple(hosts)
        self._fine, self._coarse = fine, coarse

    def __call__(self, index: int, volume: Volume) -> tuple[OrganFinding, ...]:
        """The organs of volume ``index`` of a set."""
        placed, region = place(index, volume, self.hosts)
        return find_organs(
            self._fine(placed),
            self._coarse(placed),
            organs=self.organs,
            spacing_mm=placed.spacing_mm,
            region=region,
        )
