"""Run TotalSegmentator's task ``total`` at 1.5 mm: five networks whose labels are merged."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.organs.private_totalsegmentator import class_names, class_names_of_part
from evaluation.organs.segmentation import WarmSegmenter
from evaluation.organs.weights import TOTAL_PARTS, check_weights
from ldm.data.geometry.volume import LabelArray, Volume


class PartsSegmenter:
    """Segments volumes at 1.5 mm with five networks that are loaded once.

    The result equals that of the TotalSegmentator package voxel for voxel. If two networks label
    the same voxel, the later one wins, as in the package: voxels that the first network calls
    pancreas and the third calls splenic vein become splenic vein. Unlike the package, this class
    does not split images of more than 512 x 512 x 900 voxels of 1.5 mm into three.

    Parameters
    ----------
    weights
        TotalSegmentator's weights folder.
    device
        ``cpu``, ``cuda`` or ``cuda:N``.
    """

    def __init__(self, *, weights: Path, device: str = "cpu") -> None:
        check_weights(weights, TOTAL_PARTS)
        self._parts = [
            (WarmSegmenter(model, weights=weights, device=device), labels_of_part(model.task_id))
            for model in TOTAL_PARTS
        ]

    def __call__(self, volume: Volume) -> LabelArray:
        """Return labels of task ``total`` with the shape of ``volume.array``.

        Raises ScanError if a voxel is not finite.
        """
        together = np.zeros(volume.array.shape, np.uint8)
        for segment, labels in self._parts:
            found = labels[segment(volume)]
            np.copyto(together, found, where=found != 0)
        return together


def labels_of_part(task_id: int) -> NDArray[np.uint8]:
    """Return a lookup table from the labels of one network to those of task ``total``.

    ``task_id`` is TotalSegmentator's number of the network, 291 to 295. The table has shape (256,).
    Background, 0, stays 0.
    """
    number = {name: label for label, name in class_names("total").items()}
    labels = np.zeros(256, np.uint8)
    for label, name in class_names_of_part(task_id).items():
        labels[label] = number[name]
    return labels
