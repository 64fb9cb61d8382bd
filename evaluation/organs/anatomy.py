"""Organs of a volume by TotalSegmentator's labels, and a table of them for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from evaluation.metric import Observations
from evaluation.observation import OrganFinding
from evaluation.organs.dice import dice
from evaluation.organs.placement import Region
from ldm.config import Crop
from ldm.data.geometry.volume import BoolArray, LabelArray
from ldm.errors import InputError

Point: TypeAlias = tuple[float, float, float]

LABELS = {  # totalsegmentator.map_to_binary.class_map["total"], the other way round
    "spleen": 1,
    "kidney_right": 2,
    "kidney_left": 3,
    "gallbladder": 4,
    "liver": 5,
    "stomach": 6,
    "pancreas": 7,
    "small_bowel": 18,
    "duodenum": 19,
    "colon": 20,
    "vertebrae_L1": 31,
    "aorta": 52,
    "inferior_vena_cava": 63,
    "portal_vein_and_splenic_vein": 64,
    "autochthon_left": 86,
    "autochthon_right": 87,
}
_AROUND_THE_PANCREAS = (
    *("pancreas", "duodenum", "stomach", "liver", "spleen", "kidney_left", "kidney_right"),
    *("aorta", "inferior_vena_cava", "portal_vein_and_splenic_vein", "small_bowel", "colon"),
)
ORGANS: dict[Crop, tuple[str, ...]] = {
    Crop.PANCREAS: _AROUND_THE_PANCREAS,
    Crop.SEMI_BODY: (*_AROUND_THE_PANCREAS, "gallbladder", "vertebrae_L1"),
    Crop.FULL_BODY: (
        *(*_AROUND_THE_PANCREAS, "gallbladder", "vertebrae_L1"),
        *("autochthon_left", "autochthon_right"),
    ),
}
BAND = (10.0, 90.0)  # percentiles of the volumes in the table


def find_organs(
    fine_labels: LabelArray,
    coarse_labels: LabelArray,
    *,
    organs: Sequence[str],
    spacing_mm: NDArray[np.float64],
    region: Region,
) -> tuple[OrganFinding, ...]:
    """Each organ inside ``region``, from two label maps of task ``total`` on one grid.

    Volume and centroid are those of the fine map; the centroid counts mm from the center of the
    region. An organ that the fine map lacks has 0 ml and no centroid; the agreement is 0 where
    either lacks it. Raises InputError for a name that ``LABELS`` lacks and for unlike shapes.
    """
    if fine_labels.shape != coarse_labels.shape:
        raise InputError(
            "two models are compared on one grid, their labels have shapes "
            f"{fine_labels.shape} and {coarse_labels.shape}: resample one of them"
        )
    fine, coarse = fine_labels[region], coarse_labels[region]
    return tuple(_finding(organ, fine, coarse, spacing_mm) for organ in organs)


def label_of(organ: str) -> int:
    """The number of an organ in task ``total``; raises InputError for a name not in ``LABELS``."""
    if organ not in LABELS:
        raise InputError(f"an organ is one of {', '.join(LABELS)}, got {organ!r}")
    return LABELS[organ]


def _finding(
    organ: str, fine: LabelArray, coarse: LabelArray, spacing_mm: NDArray[np.float64]
) -> OrganFinding:
    mask = fine == label_of(organ)
    return OrganFinding(
        organ=organ,
        agreement=dice(mask, coarse == label_of(organ)),
        volume_ml=float(np.count_nonzero(mask) * np.prod(spacing_mm) / 1000),
        centroid_mm=centroid_mm(mask, spacing_mm),
    )


def centroid_mm(mask: BoolArray, spacing_mm: NDArray[np.float64]) -> Point | None:
    """Mean place of the mask's voxels, mm from the center of the array; None if it is empty."""
    n = np.count_nonzero(mask)
    if n == 0:
        return None
    x, y, z = (
        float(np.count_nonzero(mask, axis=others) @ (np.arange(side) - (side - 1) / 2) / n * mm)
        for others, side, mm in zip(((1, 2), (0, 2), (0, 1)), mask.shape, spacing_mm, strict=True)
    )
    return x, y, z


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganStatistics:
    """One organ in a set of volumes: ml of the volumes that have it, None where none has."""

    n: int
    n_found: int
    mean_ml: float | None
    p10_ml: float | None
    p90_ml: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganRow:
    """One organ in samples and in real scans; ``shift_mm`` is between their mean centroids.

    It is None where either set lacks the organ.
    """

    organ: str
    samples: OrganStatistics
    real: OrganStatistics
    shift_mm: float | None


def organ_table(samples: Observations, real: Observations) -> tuple[OrganRow, ...]:
    """A row an organ, in the order of the list; raises as ``findings_by_organ`` does."""
    ours, theirs = findings_by_organ(samples), findings_by_organ(real)
    if tuple(ours) != tuple(theirs):
        raise InputError(
            f"samples and real scans are looked at for the same organs, got {', '.join(ours)} "
            f"and {', '.join(theirs)}: observe them again"
        )
    return tuple(_row(organ, ours[organ], theirs[organ]) for organ in ours)


def findings_by_organ(volumes: Observations) -> dict[str, tuple[OrganFinding, ...]]:
    """What each volume shows of each organ; raises InputError for volumes that were not segmented,
    or for unlike organs."""
    if not volumes or not volumes[0].organs:
        name = volumes[0].name if volumes else "a set of no volumes"
        raise InputError(f"scores of organs need segmented volumes, {name} has none: segment it")
    organs = tuple(one.organ for one in volumes[0].organs)
    for volume in volumes:
        if tuple(one.organ for one in volume.organs) != organs:
            raise InputError(
                f"all volumes are looked at for {', '.join(organs)}; {volume.name} was looked at "
                f"for {', '.join(one.organ for one in volume.organs) or 'none'}: observe it again"
            )
    columns = zip(*(volume.organs for volume in volumes), strict=True)
    return dict(zip(organs, columns, strict=True))


def _row(organ: str, ours: Sequence[OrganFinding], real: Sequence[OrganFinding]) -> OrganRow:
    places = [[one.centroid_mm for one in part if one.centroid_mm] for part in (ours, real)]
    shift = np.mean(places[0], axis=0) - np.mean(places[1], axis=0) if all(places) else None
    return OrganRow(
        organ=organ,
        samples=_statistics(ours),
        real=_statistics(real),
        shift_mm=None if shift is None else float(np.linalg.norm(shift)),
    )


def _statistics(findings: Sequence[OrganFinding]) -> OrganStatistics:
    found_ml = [one.volume_ml for one in findings if one.volume_ml > 0]
    low, high = np.percentile(found_ml, BAND).tolist() if found_ml else (None, None)
    return OrganStatistics(
        n=len(findings),
        n_found=len(found_ml),
        mean_ml=float(np.mean(found_ml)) if found_ml else None,
        p10_ml=low,
        p90_ml=high,
    )
