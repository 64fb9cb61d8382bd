"""Find out from the numbers and tags of slices whether some of a series are missing.

Slices that are missing in the middle leave a gap, which ``ldm.data.dicom.slice_stack`` refuses.
Where every second one or an end is missing, the positions that are left are evenly spaced.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ldm.data.dicom.slice_file import SliceHeader
from ldm.data.dicom.tag_numbers import numbers_in
from ldm.errors import ScanError

MAX_GAP = 1.5  # how far slices may be apart, in thicknesses, if their numbers have steps too
MOST_MISSING = 3  # so many images of a series may have been taken out because they are scouts
OF_SERIES, OF_ACQUISITION = "NumberOfSeriesRelatedInstances", "ImagesInAcquisition"
COPY = "copy the missing slices there"


def check_complete(headers: list[SliceHeader], apart_mm: float, folder: Path) -> None:
    """Raise ScanError if the slices in a folder are only a part of a series.

    ``headers`` are in the order of the stack, and ``apart_mm`` is the distance of neighbors.
    """
    _check_ends(headers, folder)
    numbers = numbers_in(headers, "InstanceNumber", 1, if_absent="0")[:, 0]
    thickness_mm = numbers_in(headers, "SliceThickness", 1, if_absent="0")[:, 0].max()
    steps = np.abs(np.diff(numbers))
    if steps.min() >= 2 and 0 < MAX_GAP * thickness_mm < apart_mm:
        raise ScanError(
            "a series is complete",
            seen=f"the slices in {folder} are {apart_mm:.3g} mm apart and {thickness_mm:.3g} mm"
            f" thick, and their numbers have steps of {steps.min():g}",
            remedy=COPY,
        )


def notes_of_missing_slices(headers: Sequence[SliceHeader]) -> Iterator[str]:
    """Yield a note where slices may be missing at an end of a series.

    It is not certain: some scanners count on from one phase of a study to the next.
    """
    n_slices, numbers = len(headers), _numbers(headers)
    if len(numbers) == n_slices:
        first, step = numbers[0], max(1, int(np.median(np.diff(numbers))))
        if first > step:
            yield f"its slices are numbered from {first}, so the first ones may be missing"
    said = _said(headers, OF_ACQUISITION)
    if said > n_slices:
        yield f"{OF_ACQUISITION} says {said}, and there are {n_slices} slices"


def _check_ends(headers: Sequence[SliceHeader], folder: Path) -> None:
    """Raise ScanError if a tag says that a series has more slices than there are.

    ImagesInAcquisition may count the slices of several series. It counts here only where the
    numbers of the slices end with it, and do not start with 1.
    """
    n_slices, numbers = len(headers), _numbers(headers)
    for keyword in (OF_SERIES, OF_ACQUISITION):
        said = _said(headers, keyword)
        ends_there = len(numbers) == n_slices and numbers[-1] == said
        is_certain = keyword == OF_SERIES or ends_there
        if said - n_slices > MOST_MISSING and is_certain:
            seen = f", numbered {numbers[0]} to {numbers[-1]}" if len(numbers) == n_slices else ""
            raise ScanError(
                "a series is complete",
                seen=f"{folder} has {n_slices} slices{seen}, and {keyword} says {said}",
                remedy=COPY,
            )


def _numbers(headers: Sequence[SliceHeader]) -> list[int]:
    """Return the distinct InstanceNumbers, sorted. Slices without a number are left out."""
    texts = {header.tags["InstanceNumber"] for header in headers}
    return sorted(int(text) for text in texts if text.isdecimal())


def _said(headers: Sequence[SliceHeader], keyword: str) -> int:
    """Return the largest number that a tag has in any slice. 0 if it has none."""
    texts = [header.tags[keyword] for header in headers]
    return max((int(text) for text in texts if text.isdecimal()), default=0)
