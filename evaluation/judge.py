"""Volumes in, measurements out: what an evaluation actor runs, usable alone."""

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
    """Scores samples of one crop and grid against real scans, each score between its anchors.

    ``is_put_back`` says that they are segmented inside a held-out scan, not alone.
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
        """What is kept of each of samples (name, volume); one volume is in memory at a time.

        With ``attempts`` a volume that has ended two processes is recorded as failed.

        Raises ScanError for a volume that cannot be scored, with its name, and InputError where
        there is none.
        """
        observations = tuple(self.observer.observe_all(samples, attempts))
        if not observations:
            raise InputError("scores need one sample or more, there is none")
        return observations

    def measure(
        self, observations: Observations, *, names: Collection[str] | None = None
    ) -> Measurements:
        """All scores of a set of samples, or those of ``names`` alone."""
        measured = (
            measure(metric, observations, self.scans, self.anchors[metric.name], seed=self.seed)
            for metric in self.metrics
            if len(observations) >= metric.min_volumes and (names is None or metric.name in names)
        )
        return Measurements(measurements=tuple(measured))

    def find_copies(self, observations: Observations) -> CopyFinding | None:
        """Which samples copy a training scan; None where there are too few of them to tell."""
        if not self.scans.can_measure(COPIED_SHARE):
            return None
        return find_memorization(
            observations, held_out=self.scans.held_out, training=self.scans.training
        ).finding()


def anchor_all(
    metrics: Sequence[Metric], scans: RealScans, nonsense: Observations, *, n: int, seed: int = 0
) -> dict[str, Anchors]:
    """The anchors of every score that the scans allow, by name, for sets of n samples.

    Raises InputError where the real scans have no body in them.
    """
    if not any(one.body_histogram.any() for one in scans.held_out):
        raise InputError(
            f"a reference needs a scan with a body in it, none of the {len(scans.held_out)} "
            "held-out scans has a voxel above -300 HU: check that they are CT in HU"
        )
    return {
        metric.name: measure_anchors(metric, scans, nonsense, n=n, seed=seed)
        for metric in metrics
        if scans.can_measure(metric)
    }
