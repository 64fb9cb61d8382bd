"""Scores of organs: whether they are there, as large as in real scans, and in their place.

Judged are usual organs alone: those that half of the real scans or more have in the crop.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from evaluation.damage.kinds import PLAUSIBLE, Damage
from evaluation.measurement import Better
from evaluation.metric import Against, Indices, Metric, Observations, Statistic
from evaluation.organs.anatomy import findings_by_organ
from ldm.errors import InputError

USUAL_SHARE = 0.5  # of the real scans: an organ that fewer have is not judged
FOUND_SHARE = 0.05  # of the real median volume: less is a few stray voxels, not an organ
ABSENT_MM = 100.0  # what an organ that no sample has counts in the distance of centroids
OBJECTIVE = "totalsegmentator_dice"
# TotalSegmentator finds organs as well in a scan that is brighter, or that it has seen before.
NOT_SEGMENTED = frozenset({Damage.SHIFT, Damage.COPIES})
TOO_SMALL = {  # to both models such a thin organ looks as before: docs/scores.md
    "duodenum": frozenset({Damage.NOISE, Damage.SWAP}),
    "gallbladder": frozenset({Damage.NOISE}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Organs:
    """Organs of n volumes: ml, shape (n, organs), 0 where absent; and mm, shape (n, organs, 3),
    NaN where absent."""

    volumes_ml: NDArray[np.float64]
    centroids_mm: NDArray[np.float64]

    def of(self, chosen: Indices) -> "Organs":
        """The volumes of these indices."""
        return Organs(volumes_ml=self.volumes_ml[chosen], centroids_mm=self.centroids_mm[chosen])


Distance = Callable[[Organs, Organs], float]


def tabulate(volumes: Observations) -> Organs:
    """All organs of all volumes; raises as ``evaluation.organs.anatomy.findings_by_organ`` does."""
    columns = findings_by_organ(volumes).values()
    nowhere = (np.nan, np.nan, np.nan)
    return Organs(
        volumes_ml=np.array([[one.volume_ml for one in column] for column in columns]).T,
        centroids_mm=np.stack(
            [np.array([one.centroid_mm or nowhere for one in column]) for column in columns], axis=1
        ),
    )


def usual_organs(real: Organs) -> list[int]:
    """The columns of the organs that half of the real scans or more have."""
    return np.flatnonzero((real.volumes_ml > 0).mean(axis=0) >= USUAL_SHARE).tolist()


def share_found(samples: Organs, real: Organs) -> float:
    """Share of (sample, usual organ) with 5 % or more of the real median volume; 0 if none is
    usual."""
    shares = []
    for organ in usual_organs(real):
        of_real = real.volumes_ml[:, organ]
        typical_ml = np.median(of_real[of_real > 0])
        shares.append(np.mean(samples.volumes_ml[:, organ] >= FOUND_SHARE * typical_ml))
    return float(np.mean(shares)) if shares else 0.0


def volume_distance(samples: Organs, real: Organs) -> float:
    """Mean over usual organs of the Wasserstein-1 distance of their volumes over the real mean.

    So a liver and a gallbladder count alike. An absent organ has 0 ml: one that no sample has
    counts 1. Where no organ is usual: 1.
    """
    distances = [
        wasserstein_distance(samples.volumes_ml[:, organ], real.volumes_ml[:, organ])
        / real.volumes_ml[:, organ].mean()
        for organ in usual_organs(real)
    ]
    return float(np.mean(distances)) if distances else 1.0


def centroid_distance_mm(samples: Organs, real: Organs) -> float:
    """Mean over usual organs of how far the distributions of their centroids lie apart.

    Of the volumes that have the organ: the Wasserstein-1 distances along x, y and z, as one
    length. An organ that no sample has counts 100 mm; where no organ is usual: 100 mm. It is
    blind to how x, y and z, or two organs of one volume, go together.
    """
    distances = [
        _between_places(samples.centroids_mm[:, organ], real.centroids_mm[:, organ])
        for organ in usual_organs(real)
    ]
    return float(np.mean(distances)) if distances else ABSENT_MM


def _between_places(ours: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    ours, real = (places[np.isfinite(places).all(axis=1)] for places in (ours, real))
    if not len(ours):
        return ABSENT_MM
    apart = [wasserstein_distance(ours[:, axis], real[:, axis]) for axis in range(3)]
    return float(np.linalg.norm(apart))


def _prepare(distance: Distance) -> Callable[[Observations, Observations], Statistic]:
    def prepare(samples: Observations, reference: Observations) -> Statistic:
        _check_same_organs(samples, reference)
        ours, real = tabulate(samples), tabulate(reference)

        def statistic(chosen: Indices, others: Indices) -> float:
            return distance(ours.of(chosen), real.of(others))

        return statistic

    return prepare


def _check_same_organs(samples: Observations, reference: Observations) -> None:
    ours, real = (", ".join(findings_by_organ(part)) for part in (samples, reference))
    if ours != real:
        raise InputError(
            f"samples and real scans are looked at for the same organs, got {ours} and {real}: "
            "observe them again"
        )


def agreement_metric(organ: str) -> Metric:
    """Mean agreement of two models of TotalSegmentator on one organ, over the samples.

    Of the pancreas it is the objective ``totalsegmentator_dice``. Raises InputError where the
    organ was not looked for.
    """

    def prepare(samples: Observations, _: Observations) -> Statistic:
        findings = findings_by_organ(samples)
        if organ not in findings:
            raise InputError(f"{organ} was not looked for, only {', '.join(findings)}: observe it")
        agreements = np.array([one.agreement for one in findings[organ]])
        return lambda chosen, _: float(agreements[chosen].mean())

    return Metric(
        name=OBJECTIVE if organ == "pancreas" else f"agreement_{organ}",
        unit="Dice",
        better=Better.HIGHER,
        against=Against.NOTHING,
        empty="a sample in which either model finds nothing counts 0",
        needs_organs=True,
        blind_to=_blind_to(organ),
        prepare=prepare,
    )


def _blind_to(organ: str) -> frozenset[Damage]:
    if organ == "pancreas":
        return NOT_SEGMENTED
    return PLAUSIBLE | NOT_SEGMENTED | TOO_SMALL.get(organ, frozenset())


ORGANS_FOUND = Metric(
    name="organs_found",
    unit="share",
    better=Better.HIGHER,
    against=Against.HELD_OUT,
    empty="a sample without organs counts 0; where no organ is usual in real scans, all score 0",
    prepare=_prepare(share_found),
    needs_organs=True,
    blind_to=NOT_SEGMENTED | {Damage.NOISE},
)
ORGAN_VOLUME_DISTANCE = Metric(
    name="organ_volume_distance",
    unit="real mean volumes",
    better=Better.LOWER,
    against=Against.HELD_OUT,
    empty="an absent organ has 0 ml; where no organ is usual in real scans, all score 1",
    prepare=_prepare(volume_distance),
    needs_organs=True,
    blind_to=NOT_SEGMENTED | {Damage.NOISE},
)
ORGAN_CENTROID_DISTANCE = Metric(
    name="organ_centroid_distance_mm",
    unit="mm",
    better=Better.LOWER,
    against=Against.HELD_OUT,
    empty="an organ that no sample has counts 100 mm, and so do all where no organ is usual",
    prepare=_prepare(centroid_distance_mm),
    needs_organs=True,
    blind_to=NOT_SEGMENTED | {Damage.NOISE, Damage.ORGAN_REMOVED},
)
ANATOMY_METRICS = (ORGANS_FOUND, ORGAN_VOLUME_DISTANCE, ORGAN_CENTROID_DISTANCE)
