"""Read the expert mask of a scan: where the pancreas and its tumors are."""

from pathlib import Path

import numpy as np

from ldm.data.cohort.mask_labels import BACKGROUND, OPTION_LAYOUT, MaskLabels
from ldm.data.geometry.volume import Affine, BoolArray, read_labels
from ldm.errors import ScanError


def read_pancreas(path: Path, labels: MaskLabels) -> tuple[BoolArray, Affine]:
    """Read where a mask has the pancreas or its tumor, shape (x, y, z) in RAS+, and its affine.

    Raises ScanError if the file cannot be read, or if it has a label that is not known.
    """
    values, affine = read_labels(path)
    organ = (*labels.pancreas, *labels.tumor)
    unknown = sorted(set(np.unique(values).tolist()) - {BACKGROUND, *organ, *labels.other})
    if unknown:
        raise ScanError(
            "each label of a mask is named",
            seen=f"{path} has {', '.join(map(str, unknown))}, known are {labels}",
            remedy="name it under 'labels' in dataset.json, or in a sweep pass --labels, such as"
            f" {OPTION_LAYOUT}",
        )
    return np.isin(values, organ), affine
