"""Build a judge from the real scans of one crop, which are observed only once and then stored."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.judge import Judge, anchor_all
from evaluation.metric import Against, Metric, Observations, RealScans
from evaluation.metrics import metrics_for
from evaluation.nonsense import nonsense_volumes
from evaluation.observation import Features
from evaluation.observation_file import load_observations, save_observations
from evaluation.observer import Observer
from evaluation.organs.anatomy import ORGANS
from evaluation.organs.finder import OrganFinder, Segmenter
from evaluation.organs.placement import Host
from ldm.config import Crop
from ldm.data.geometry.volume import Volume

# If TotalSegmentator's models agree less than this on real crops, crops are too small for it. They
# are then put back into whole scans to be segmented.
STARVED_DICE = 0.2
N_NONSENSE = 4

NamedVolumes = Iterable[tuple[str, Volume]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The real scans of one crop on one grid.

    Attributes
    ----------
    crop
        The crop.
    held_out, training
        Functions that yield names and volumes, each volume read when it is needed. ``training`` may
        yield nothing.
    hosts
        The whole held-out scans, in the same order, into which samples can be put back for
        segmentation. Empty if that is not possible.
    notices
        What a reader should know of the scans: those that are left out, with their reasons.
    """

    crop: Crop
    held_out: Callable[[], NamedVolumes]
    training: Callable[[], NamedVolumes]
    hosts: tuple[Host, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """The networks that observe volumes.

    Attributes
    ----------
    segmenters
        The finer and the coarser model of TotalSegmentator, or None for no scores of organs.
    networks
        Names of the feature networks.
    features
        The parts of the feature networks. A network that looks along three axes has three parts.
    scores
        Names of the scores to measure. Empty for all scores.
    """

    segmenters: tuple[Segmenter, Segmenter] | None
    networks: tuple[str, ...]
    features: Mapping[str, Features]
    scores: tuple[str, ...] = ()

    def metrics(self, crop: Crop) -> list[Metric]:
        """Return the scores of a crop. If ``scores`` is not empty, only those are returned."""
        has_organs = self.segmenters is not None
        return [
            metric
            for metric in metrics_for(crop, self.networks, has_organs=has_organs)
            if not self.scores or metric.name in self.scores
        ]


def build_judge(
    reference: Reference, instruments: Instruments, *, n: int, cache: Path, seed: int = 0
) -> Judge:
    """Observe the real scans and nonsense, measure the anchors, and return the judge.

    Parameters
    ----------
    reference
        The real scans.
    instruments
        The networks that observe them.
    n
        Number of samples that the judge will score.
    cache
        Folder for the observations. Its name must depend on everything that determines them.
    seed
        Seed of the noise and of all intervals.
    """
    finder = _choose_finder(reference, instruments, cache)
    observer = Observer(features=instruments.features, find_organs=finder)
    held_out = _seen(cache / _held_out_file(finder), observer, reference.held_out)
    metrics = instruments.metrics(reference.crop)
    training: Observations = ()
    if any(metric.against is not Against.NOTHING for metric in metrics):
        training = _seen(
            cache / "training.safetensors",
            Observer(features=instruments.features),
            reference.training,
        )

    def nonsense() -> NamedVolumes:
        scans = [volume for _, volume in reference.held_out()]
        return nonsense_volumes(scans, min(n, N_NONSENSE), seed=seed)

    scans = RealScans(held_out=held_out, training=training)
    floor = _seen(cache / f"nonsense-{n}-{seed}.safetensors", observer, nonsense)
    anchors, without_anchors = anchor_all(metrics, scans, floor, n=n, seed=seed)
    return Judge(
        observer=observer,
        metrics=metrics,
        scans=scans,
        anchors=anchors,
        without_anchors=without_anchors,
        is_put_back=finder is not None and bool(finder.hosts),
        seed=seed,
    )


def _choose_finder(
    reference: Reference, instruments: Instruments, cache: Path
) -> OrganFinder | None:
    """Decide how organs are found: in the samples alone, or in samples put back into whole scans.

    Samples are put back if TotalSegmentator hardly finds the pancreas in real crops. Returns None
    without segmenters.
    """
    if instruments.segmenters is None:
        return None
    fine, coarse = instruments.segmenters
    organs = ORGANS[reference.crop]
    alone = OrganFinder(fine=fine, coarse=coarse, organs=organs)
    if not reference.hosts:
        return alone
    observer = Observer(features=instruments.features, find_organs=alone)
    seen = _seen(cache / _held_out_file(alone), observer, reference.held_out)
    if pancreas_dice(seen) >= STARVED_DICE:
        return alone
    return OrganFinder(fine=fine, coarse=coarse, organs=organs, hosts=reference.hosts)


def _held_out_file(finder: OrganFinder | None) -> str:
    how = "unsegmented" if finder is None else "put-back" if finder.hosts else "alone"
    return f"held-out-{how}.safetensors"


def pancreas_dice(observations: Observations) -> float:
    """Return the mean Dice between TotalSegmentator's finer and coarser model on the pancreas.

    The mean is over the observed volumes. It is NaN if none of them has a finding for the pancreas.
    """
    return float(
        np.mean([o.agreement for one in observations for o in one.organs if o.organ == "pancreas"])
    )


def _seen(path: Path, observer: Observer, volumes: Callable[[], NamedVolumes]) -> Observations:
    """Return the observations of volumes, from the file ``path`` if they were made before."""
    if not path.is_file():
        save_observations(path, tuple(observer.observe_all(volumes())))
    return load_observations(path)
