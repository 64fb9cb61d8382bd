"""Read a DICOM-SEG file: which segments it has, and where they are."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom.seg import Segmentation

from ldm.data.dicom.slice_file import reading
from ldm.data.dicom.slice_stack import LPS_TO_RAS
from ldm.data.geometry.nifti_header import MAX_VOXELS
from ldm.data.geometry.orientation import to_ras
from ldm.data.geometry.volume import Affine, BoolArray
from ldm.errors import ScanError

MAX_READS = 1 << 22  # a file with a frame for each slice of 20 segments takes 700,000
LEAST_FRACTION = 0.5  # of a voxel that belongs to a segment, where a file stores fractions


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationHeader:
    """What a DICOM-SEG file says about itself.

    Attributes
    ----------
    series
        The SeriesInstanceUID of each series that was segmented.
    names
        For each segment, by its number: its label, then the name of what it shows, such as
        "Segment 1" and "Pancreas".
    """

    series: tuple[str, ...]
    names: dict[int, tuple[str, str]]


def read_segmentation_header(path: Path) -> SegmentationHeader:
    """Read what a DICOM-SEG file says about itself.

    Raises ScanError, which names the file, if it cannot be read.
    """
    with reading(path, None, stops_before_pixels=True, max_reads=MAX_READS) as dataset:
        segmentation = Segmentation.from_dataset(dataset, copy=False)
        return SegmentationHeader(
            series=tuple(
                str(one.SeriesInstanceUID)
                for one in segmentation.get("ReferencedSeriesSequence", [])
            ),
            names={number: _names(segmentation, number) for number in segmentation.segment_numbers},
        )


def read_segments(path: Path, numbers: Collection[int]) -> tuple[BoolArray, Affine]:
    """Read where a DICOM-SEG file has any of the segments ``numbers``.

    Returns a mask of shape (x, y, z) in RAS+ and its affine. The mask covers only the slices from
    the first to the last that the file has, which are often not all of the series. Raises
    ScanError, which names the file, if it cannot be read or its slices are not evenly spaced.
    """
    with reading(path, None, max_reads=MAX_READS) as dataset:
        segmentation = Segmentation.from_dataset(dataset, copy=False)
        geometry = segmentation.get_volume_geometry()
        if geometry is None or np.prod(geometry.spatial_shape, dtype=np.int64) > MAX_VOXELS:
            raise ScanError(
                "the slices of a segmentation are evenly spaced",
                seen=f"those of {path} are not",
                remedy="export it again from the series that it was drawn in",
            )
        inside = np.zeros(geometry.spatial_shape, bool)
        for number in sorted(numbers):  # one at a time, to take less memory
            volume = segmentation.get_volume(segment_numbers=[number])
            inside |= volume.array[..., 0] >= LEAST_FRACTION
        return to_ras(inside, LPS_TO_RAS @ np.asarray(geometry.affine, np.float64))


def _names(segmentation: Segmentation, number: int) -> tuple[str, str]:
    described = segmentation.get_segment_description(number)
    return str(described.segment_label), str(described.segmented_property_type.meaning)
