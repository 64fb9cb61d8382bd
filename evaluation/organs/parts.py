"""Task ``total`` at 1.5 mm: five networks kept warm, their labels put together."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.organs.private_totalsegmentator import class_names, class_names_of_part
from evaluation.organs.segmentation import WarmSegmenter
from evaluation.organs.weights import TOTAL_PARTS, check_weights
from ldm.data.geometry.volume import LabelArray, Volume


class PartsSegmenter:
    """What the package does at 1.5 mm, voxel for voxel: call it with as many volumes as you like.

    Where two parts label a voxel the later one has it, as in the package: the pancreas of the
    first part loses what the third takes for the splenic vein. The package cuts images of more
    than 512 x 512 x 900 voxels of 1.5 mm into three, which is not done here.
    """

    def __init__(self, *, weights: Path, device: str = "cpu") -> None:
        check_weights(weights, TOTAL_PARTS)
        self._parts = [
            (WarmSegmenter(model, weights=weights, device=device), labels_of_part(model.task_id))
            for model in TOTAL_PARTS
        ]

    def __call__(self, volume: Volume) -> LabelArray:
        """Labels of task ``total``, shape of ``volume.array``; raises ScanError for NaN."""
        together = np.zeros(volume.array.shape, np.uint8)
        for segment, labels in self._parts:
            found = labels[segment(volume)]
            np.copyto(together, found, where=found != 0)
        return together


def labels_of_part(task_id: int) -> NDArray[np.uint8]:
    """The label in task ``total`` of each label of a part, shape (256,); 0 stays 0."""
    number = {name: label for label, name in class_names("total").items()}
    labels = np.zeros(256, np.uint8)
    for label, name in class_names_of_part(task_id).items():
        labels[label] = number[name]
    return labels
