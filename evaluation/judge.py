"""Volumes and a reference in, scores out: what an evaluation actor runs, usable alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.dice import Region, Segmenter, pancreas_agreement, totalsegmentator_dice
from evaluation.histogram import (
    Histograms,
    body_histograms,
    histogram_distance,
    real_against_real,
    whole_grid_histograms,
)
from evaluation.score import Score
from ldm.data.field_of_view import FieldOfView
from ldm.data.grid import put_back, voxels_of
from ldm.data.scan_file import read_scan
from ldm.data.volume import FloatArray, Volume
from ldm.errors import InputError

WHOLE: Region = (slice(None), slice(None), slice(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A held-out real scan, and what the model sees of it: there a sample takes its place."""

    image: Path
    view: FieldOfView


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Both objectives of a set of samples, and the histogram distance as the study measured it."""

    histogram_distance_hu: Score
    histogram_distance_whole_grid_hu: Score
    totalsegmentator_dice: Score


class Judge:
    """Scores samples of one crop against held-out real scans on the same grid.

    ``hosts`` non-empty: a sample is put back into a real scan before it is segmented, and judged
    inside the box; a pancreas crop alone gives TotalSegmentator nothing to go by. Otherwise the
    sample is segmented as it is.
    """

    def __init__(
        self,
        *,
        reference: Sequence[Volume],
        hosts: Sequence[Host],
        fine: Segmenter,
        coarse: Segmenter,
        seed: int = 0,
    ) -> None:
        self.reference = list(reference)
        self.hosts = list(hosts)
        self.seed = seed
        self._fine, self._coarse = fine, coarse
        arrays = [volume.array for volume in reference]
        self.reference_histograms: Histograms = body_histograms(arrays)
        if not self.reference_histograms.any():
            raise InputError(
                f"a reference needs a scan with a body in it, none of the {len(arrays)} held-out "
                "scans has a voxel above -300 HU: check that they are CT in HU"
            )
        self._reference_whole = whole_grid_histograms(arrays)

    def score(self, samples: Sequence[Volume]) -> Scores:
        """Both objectives of samples on the model's grid."""
        arrays = [sample.array for sample in samples]
        return Scores(
            histogram_distance_hu=histogram_distance(
                body_histograms(arrays), self.reference_histograms, seed=self.seed
            ),
            histogram_distance_whole_grid_hu=histogram_distance(
                whole_grid_histograms(arrays), self._reference_whole, seed=self.seed
            ),
            totalsegmentator_dice=self.dice(samples),
        )

    def dice(self, samples: Sequence[Volume]) -> Score:
        """``totalsegmentator_dice``; sample i goes into host i, modulo the number of hosts."""
        agreements = [
            pancreas_agreement(*self._place(index, sample), fine=self._fine, coarse=self._coarse)
            for index, sample in enumerate(samples)
        ]
        return totalsegmentator_dice(agreements, seed=self.seed)

    def dice_ceiling(self) -> Score:
        """The same score of the held-out real scans, through the same grid and the same path."""
        return self.dice(self.reference)

    def histogram_null(self, real: Iterable[FloatArray], n: int) -> Score:
        """Real training scans against the reference, n at a time."""
        return real_against_real(
            body_histograms(real), self.reference_histograms, n=n, seed=self.seed
        )

    def _place(self, index: int, sample: Volume) -> tuple[Volume, Region]:
        if not self.hosts:
            return sample, WHOLE
        host = self.hosts[index % len(self.hosts)]
        scan = read_scan(host.image)
        return put_back(sample.array, scan, host.view), voxels_of(host.view.seen, scan)
