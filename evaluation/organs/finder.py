"""Find the organs of a volume with two models of TotalSegmentator."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from evaluation.observation import OrganFinding
from evaluation.organs.anatomy import find_organs
from evaluation.organs.placement import Host, place
from ldm.data.geometry.volume import LabelArray, Volume

Segmenter: TypeAlias = Callable[[Volume], LabelArray]


class OrganFinder:
    """Segments volumes one after another with two models and measures their organs.

    Parameters
    ----------
    fine, coarse
        The two models. Volume and centroid of an organ come from ``fine``, its agreement from both.
    organs
        Names of the organs to measure.
    hosts
        Held-out real scans. If there are any, each volume is segmented inside one of them instead
        of alone.
    """

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
        """Return one finding for each of the organs in ``volume``.

        ``index`` is the number of the volume in its set. It selects the scan that the volume is put
        into, if there are hosts.
        """
        placed, region = place(index, volume, self.hosts)
        return find_organs(
            self._fine(placed),
            self._coarse(placed),
            organs=self.organs,
            spacing_mm=placed.spacing_mm,
            region=region,
        )
