"""Turn volumes into scores. Evaluation actors use this, and it also works on its own."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from evaluation.attempts import AttemptLog
from evaluation.measurement import Measurements
from evaluation.memorization.copies import find_memorization
from evaluation.memorization.finding import CopyFinding
from evaluation.memorization.metrics import COPIED_SHARE
from evaluation.metric import Anchors, Metric, Observations, RealScans, measure, measure_anchors
from evaluation.observer import Observer
from ldm.data.geometry.volume import Volume
from ldm.errors import InputError


class Judge:
    """Scores samples of one crop and grid against real scans.

    Parameters
    ----------
    observer
        Turns samples into observations.
    metrics
        The scores to measure. Those that the scans do not allow are left out.
    scans
        The real scans to compare with.
    anchors
        The scores of real scans and of nonsense, by metric name.
    is_put_back
        Whether samples are segmented inside a held-out scan instead of alone.
    seed
        Seed of the bootstrap intervals.
    """

    def __init__(
        self,
        *,
        observer: Observer,
        metrics: Sequence[Metric],
        scans: RealScans,
        anchors: Mapping[str, Anchors],
        is_put_back: bool,
        seed: int = 0,
    ) -> None:
        self.observer, self.scans, self.anchors, self.seed = observer, scans, anchors, seed
        self.is_put_back = is_put_back
        self.metrics = [metric for metric in metrics if scans.can_measure(metric)]

    def observe(
        self, samples: Iterable[tuple[str, Volume]], attempts: AttemptLog | None = None
    ) -> Observations:
        """Return the observations of samples, which are pairs of a name and a volume.

        Only one volume is in memory at a time. With ``attempts``, a volume that crashed two
        processes is marked as failed. Raises ScanError, which names the volume, if a voxel is not
        finite, and InputError if there are no samples.
        """
        observations = tuple(self.observer.observe_all(samples, attempts))
        if not observations:
            raise InputError("scores need one sample or more", seen="there is none")
        return observations

    def measure(
        self, observations: Observations, *, names: Collection[str] | None = None
    ) -> Measurements:
        """Measure all scores of a set of samples, or only those in ``names``.

        Scores that need more samples are left out.
        """
        measured = (
            measure(metric, observations, self.scans, self.anchors[metric.name], seed=self.seed)
            for metric in self.metrics
            if len(observations) >= metric.min_volumes and (names is None or metric.name in names)
        )
        return Measurements(measurements=tuple(measured))

    def find_copies(self, observations: Observations) -> CopyFinding | None:
        """Find the samples that copy a training scan.

        Returns None if there are too few training scans to tell.
        """
        if not self.scans.can_measure(COPIED_SHARE):
            return None
        return find_memorization(
            observations, held_out=self.scans.held_out, training=self.scans.training
        ).finding()


def anchor_all(
    metrics: Sequence[Metric], scans: RealScans, nonsense: Observations, *, n: int, seed: int = 0
) -> dict[str, Anchors]:
    """Return the anchors of every score that the scans allow, by name, for sets of ``n`` samples.

    Anchors are the scores to compare with: that of real scans, and that of ``nonsense``, which
    holds observations of smooth noise. Raises InputError if no held-out scan has a body in it.
    """
    if not any(one.body_histogram.any() for one in scans.held_out):
        raise InputError(
            "a reference needs a scan with a body in it",
            seen=f"none of the {len(scans.held_out)} held-out scans has a voxel above -300 HU",
            remedy="check that they are CT in HU",
        )
    return {
        metric.name: measure_anchors(metric, scans, nonsense, n=n, seed=seed)
        for metric in metrics
        if scans.can_measure(metric)
    }
