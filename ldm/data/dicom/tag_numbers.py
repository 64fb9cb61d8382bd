"""Read numbers from the tags of slices."""

import numpy as np
from numpy.typing import NDArray

from ldm.data.dicom.slice_file import SliceHeader
from ldm.errors import ScanError

EXPORT_AGAIN = "export the series again"


def numbers_in(
    headers: list[SliceHeader], keyword: str, n_numbers: int, *, if_absent: str = ""
) -> NDArray[np.float64]:
    """Return the numbers in a DICOM tag of each slice, shape (slices, n_numbers).

    ``if_absent`` is the text that is used for a slice without this tag. Raises ScanError, which
    names the file, unless a tag holds exactly ``n_numbers`` finite numbers.
    """
    table = []
    for header in headers:
        text = header.tags[keyword] or if_absent
        try:
            numbers = [float(number) for number in text.split("\\")]
        except ValueError:
            numbers = []
        if len(numbers) != n_numbers or not np.isfinite(numbers).all():
            raise ScanError(
                f"{keyword} of a slice must be {n_numbers} finite numbers",
                seen=f"{header.path} has '{text}'",
                remedy=EXPORT_AGAIN,
            )
        table.append(numbers)
    return np.array(table)
