"""Turn volumes into scores. Evaluation actors use this, and it also works on its own."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from evaluation.attempts import AttemptLog
from evaluation.duplicates import distinct
from evaluation.measurement import Measurements
from evaluation.memorization.copies import find_memorization
from evaluation.memorization.finding import CopyFinding
from evaluation.metric import Anchors, Metric, Observations, RealScans, measure, measure_anchors
from evaluation.observer import Observer
from ldm.data.geometry.volume import Volume
from ldm.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The scores of a set of samples, and the reason of each score that is left out, by name."""

    measurements: Measurements
    left_out: dict[str, str]


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
        The scores of real scans and of nonsense, by metric name. A score without anchors is left
        out.
    without_anchors
        Why each score that has no anchors has none, by metric name.
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
        without_anchors: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.observer, self.scans, self.anchors, self.seed = observer, scans, anchors, seed
        self.is_put_back = is_put_back
        self.without_anchors = without_anchors
        self.metrics = [metric for metric in metrics if metric.name in anchors]

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

        Scores that the samples do not allow are left out.
        """
        return self.judge(observations, names=names).measurements

    def judge(
        self, observations: Observations, *, names: Collection[str] | None = None
    ) -> Judgement:
        """Measure the scores as ``measure`` does, and say why each other one is left out."""
        left_out = {
            name: reason
            for name, reason in self.without_anchors.items()
            if names is None or name in names
        }
        measured = []
        for metric in self.metrics:
            if names is not None and metric.name not in names:
                continue
            n = len(observations)
            if n < metric.min_volumes:
                left_out[metric.name] = f"needs {metric.min_volumes} samples, there are {n}"
                continue
            anchors = self.anchors[metric.name]
            try:
                measured.append(measure(metric, observations, self.scans, anchors, seed=self.seed))
            except InputError as error:
                left_out[metric.name] = error.finding
        return Judgement(measurements=Measurements(measurements=tuple(measured)), left_out=left_out)

    def find_copies(self, observations: Observations) -> CopyFinding | None:
        """Find the samples that copy a training scan.

        Returns None if there are too few training scans to tell, or if samples and training scans
        lie on different grids.
        """
        if len(distinct(self.scans.training)) < 2:
            return None
        grids = {one.thumbnail.shape for one in (*observations, *self.scans.training)}
        if len(grids) > 1:
            return None
        return find_memorization(
            observations, held_out=self.scans.held_out, training=self.scans.training
        ).finding()


def anchor_all(
    metrics: Sequence[Metric], scans: RealScans, nonsense: Observations, *, n: int, seed: int = 0
) -> tuple[dict[str, Anchors], dict[str, str]]:
    """Return the anchors of every score that the scans allow, for sets of ``n`` samples.

    Anchors are the scores to compare with: that of real scans, and that of ``nonsense``, which
    holds observations of smooth noise. The second result says why each other score has none. Both
    are by metric name. Raises InputError if no held-out scan has a body in it.
    """
    if not any(one.body_histogram.any() for one in scans.held_out):
        raise InputError(
            "a reference needs a scan with a body in it",
            seen=f"none of the {len(scans.held_out)} held-out scans has a voxel above -300 HU",
            remedy="check that they are CT in HU",
        )
    anchors, reasons = {}, {}
    for metric in metrics:
        reason = scans.reason_against(metric)
        if n < metric.min_volumes:
            reason = f"needs {metric.min_volumes} samples, there are {n}"
        if reason is not None:
            reasons[metric.name] = reason
            continue
        try:
            anchors[metric.name] = measure_anchors(metric, scans, nonsense, n=n, seed=seed)
        except InputError as error:
            reasons[metric.name] = error.finding
    return anchors, reasons
