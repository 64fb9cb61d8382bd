"""Scores of organs: are they present, as large as in real scans, and in the same place?

Only usual organs are judged: those that at least half of the real scans show in the crop.
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

USUAL_SHARE = 0.5  # share of real scans that must show an organ for it to be judged
FOUND_SHARE = 0.05  # share of the real median volume; less is stray voxels and not an organ
ABSENT_MM = 100.0  # the centroid distance of an organ that no sample has
OBJECTIVE = "totalsegmentator_dice"
# TotalSegmentator finds organs equally well in a brighter scan and in a copied one.
NOT_SEGMENTED = frozenset({Damage.SHIFT, Damage.COPIES})
TOO_SMALL = {  # such small organs look the same to both models after this damage (docs/scores.md)
    "duodenum": frozenset({Damage.NOISE, Damage.SWAP}),
    "gallbladder": frozenset({Damage.NOISE}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Organs:
    """Volumes and centroids of the organs of n scans or samples.

    Attributes
    ----------
    volumes_ml
        Organ volumes in ml, shape (n, organs); 0 if an organ is absent.
    centroids_mm
        Organ centroids in mm, shape (n, organs, 3); NaN if an organ is absent.
    """

    volumes_ml: NDArray[np.float64]
    centroids_mm: NDArray[np.float64]

    def of(self, chosen: Indices) -> "Organs":
        """Return the scans or samples with the given indices."""
        return Organs(volumes_ml=self.volumes_ml[chosen], centroids_mm=self.centroids_mm[chosen])


Distance = Callable[[Organs, Organs], float]


def tabulate(volumes: Observations) -> Organs:
    """Collect the organs of all observations in arrays.

    Raises InputError in the same cases as ``evaluation.organs.anatomy.findings_by_organ``.
    """
    columns = findings_by_organ(volumes).values()
    nowhere = (np.nan, np.nan, np.nan)
    return Organs(
        volumes_ml=np.array([[one.volume_ml for one in column] for column in columns]).T,
        centroids_mm=np.stack(
            [np.array([one.centroid_mm or nowhere for one in column]) for column in columns], axis=1
        ),
    )


def usual_organs(real: Organs) -> list[int]:
    """Return the columns of the organs that at least half of the real scans have."""
    return np.flatnonzero((real.volumes_ml > 0).mean(axis=0) >= USUAL_SHARE).tolist()


def share_found(samples: Organs, real: Organs) -> float:
    """Return the share of usual organs that samples have, averaged over organs and samples.

    An organ counts as present if its volume is at least 5 % of its median volume in the real scans
    that have it. If no organ is usual, the result is 0.
    """
    shares = []
    for organ in usual_organs(real):
        of_real = real.volumes_ml[:, organ]
        typical_ml = np.median(of_real[of_real > 0])
        shares.append(np.mean(samples.volumes_ml[:, organ] >= FOUND_SHARE * typical_ml))
    return float(np.mean(shares)) if shares else 0.0


def volume_distance(samples: Organs, real: Organs) -> float:
    """Return how far organ volumes differ from those in real scans, averaged over usual organs.

    For each organ, this is the Wasserstein-1 distance between both distributions of its volume,
    divided by its mean volume in real scans, so that a liver and a gallbladder have the same
    weight. An absent organ has 0 ml; an organ that no sample has therefore counts as 1. If no organ
    is usual, the result is 1.
    """
    distances = [
        wasserstein_distance(samples.volumes_ml[:, organ], real.volumes_ml[:, organ])
        / real.volumes_ml[:, organ].mean()
        for organ in usual_organs(real)
    ]
    return float(np.mean(distances)) if distances else 1.0


def centroid_distance_mm(samples: Organs, real: Organs) -> float:
    """Return how far organ positions differ from those in real scans, averaged over usual organs.

    For each organ, the Wasserstein-1 distances between both distributions of its centroid are
    computed along x, y and z and combined to the length of one vector in mm. Only volumes that have
    the organ count. An organ that no sample has counts as 100 mm. If no organ is usual, the result
    is 100 mm.

    Each axis and each organ is compared on its own. The score therefore cannot see whether x, y and
    z, or two organs of one volume, fit together.
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
            "samples and real scans must be searched for the same organs",
            seen=f"got {ours} and {real}",
            remedy="segment them again with one list of organs",
        )


def agreement_metric(organ: str) -> Metric:
    """Return the score that is the mean agreement of two TotalSegmentator models on one organ.

    The agreement is the Dice of both models, averaged over samples. The score is named
    ``agreement_<organ>``, except that of the pancreas: it is an objective of the search and is
    named ``totalsegmentator_dice``. Measuring the score raises InputError if the samples were not
    searched for the organ.
    """

    def prepare(samples: Observations, _: Observations) -> Statistic:
        findings = findings_by_organ(samples)
        if organ not in findings:
            raise InputError(
                f"samples must be searched for {organ}",
                seen=f"they were only searched for {', '.join(findings)}",
                remedy="segment them again",
            )
        agreements = np.array([one.agreement for one in findings[organ]])
        return lambda chosen, _: float(agreements[chosen].mean())

    return Metric(
        name=OBJECTIVE if organ == "pancreas" else f"agreement_{organ}",
        unit="Dice",
        better=Better.HIGHER,
        against=Against.NOTHING,
        empty="a sample in which either model finds nothing counts as 0",
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
    empty="a sample without organs counts as 0; if real scans have no usual organ, the score is 0",
    prepare=_prepare(share_found),
    needs_organs=True,
    blind_to=NOT_SEGMENTED | {Damage.NOISE},
)
ORGAN_VOLUME_DISTANCE = Metric(
    name="organ_volume_distance",
    unit="real mean volumes",
    better=Better.LOWER,
    against=Against.HELD_OUT,
    empty="an absent organ has 0 ml; if real scans have no usual organ, the score is 1",
    prepare=_prepare(volume_distance),
    needs_organs=True,
    blind_to=NOT_SEGMENTED | {Damage.NOISE},
)
ORGAN_CENTROID_DISTANCE = Metric(
    name="organ_centroid_distance_mm",
    unit="mm",
    better=Better.LOWER,
    against=Against.HELD_OUT,
    empty="an organ that no sample has counts as 100 mm; if real scans have no usual organ, the "
    "score is 100 mm",
    prepare=_prepare(centroid_distance_mm),
    needs_organs=True,
    blind_to=NOT_SEGMENTED | {Damage.NOISE, Damage.ORGAN_REMOVED},
)
ANATOMY_METRICS = (ORGANS_FOUND, ORGAN_VOLUME_DISTANCE, ORGAN_CENTROID_DISTANCE)
