"""Measure the organs that TotalSegmentator finds in a volume, and compare two sets of volumes."""

from collections.abc import Sequence
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

LABELS = {  # the inverse of totalsegmentator.map_to_binary.class_map["total"]
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


def find_organs(
    fine_labels: LabelArray,
    coarse_labels: LabelArray,
    *,
    organs: Sequence[str],
    spacing_mm: NDArray[np.float64],
    region: Region,
) -> tuple[OrganFinding, ...]:
    """Measure each organ in a region of two label maps.

    Parameters
    ----------
    fine_labels, coarse_labels
        Labels of TotalSegmentator's task ``total`` from a finer and a coarser model, on one grid.
    organs
        Names of the organs, keys of ``LABELS``.
    spacing_mm
        Voxel size of the grid, shape (3,).
    region
        The part of the label maps that is judged.

    Returns
    -------
    tuple of OrganFinding
        One finding per organ, in the given order. Volume and centroid are those of the finer model;
        the centroid is in mm from the center of the region. An organ that the finer model does not
        find has 0 ml and no centroid. The agreement is the Dice of both models, and 0 if either
        does not find the organ.

    Raises
    ------
    InputError
        If an organ is unknown, or if the label maps differ in shape.
    """
    if fine_labels.shape != coarse_labels.shape:
        raise InputError(
            "the labels of two models must have the same grid",
            seen=f"got shapes {fine_labels.shape} and {coarse_labels.shape}",
            remedy="resample one of them",
        )
    fine, coarse = fine_labels[region], coarse_labels[region]
    return tuple(_finding(organ, fine, coarse, spacing_mm) for organ in organs)


def label_of(organ: str) -> int:
    """Return the label of an organ in task ``total``.

    Raises InputError if ``LABELS`` does not have the name.
    """
    if organ not in LABELS:
        raise InputError(f"an organ is one of {', '.join(LABELS)}", seen=f"got {organ!r}")
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
    """Return the centroid of a mask in mm from the center of the array, or None if it is empty."""
    n = np.count_nonzero(mask)
    if n == 0:
        return None
    x, y, z = (
        float(np.count_nonzero(mask, axis=others) @ (np.arange(side) - (side - 1) / 2) / n * mm)
        for others, side, mm in zip(((1, 2), (0, 2), (0, 1)), mask.shape, spacing_mm, strict=True)
    )
    return x, y, z


def findings_by_organ(volumes: Observations) -> dict[str, tuple[OrganFinding, ...]]:
    """Return, for each organ, the findings in all volumes in their order.

    Raises
    ------
    InputError
        If there are no volumes, if a volume was not segmented, or if volumes were searched for
        different organs.
    """
    if not volumes or not volumes[0].organs:
        name = volumes[0].name if volumes else "a set of no volumes"
        raise InputError(
            "scores of organs need segmented volumes", seen=f"{name} has none", remedy="segment it"
        )
    organs = tuple(one.organ for one in volumes[0].organs)
    for volume in volumes:
        if tuple(one.organ for one in volume.organs) != organs:
            raise InputError(
                f"all volumes must be searched for {', '.join(organs)}",
                seen=f"{volume.name} was searched for "
                f"{', '.join(one.organ for one in volume.organs) or 'none'}",
                remedy="segment it again",
            )
    columns = zip(*(volume.organs for volume in volumes), strict=True)
    return dict(zip(organs, columns, strict=True))
