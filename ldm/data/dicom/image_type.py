"""Refuse slices that are no scan by their ImageType: scouts, projections and maps of a material.

ImageType (DICOM PS3.3, C.8.2.1.1.1 and C.8.15.3.1.1) has several values. The third says whether a
CT is AXIAL or a LOCALIZER; programs add others that say how an image was computed. Plane reformats
(MPR) and averages of slices keep the HU of the scan, and are read.
"""

import re
from collections.abc import Sequence

from ldm.data.dicom.slice_file import SliceHeader
from ldm.errors import ScanError

N_GENERAL = 2  # the first values: ORIGINAL or DERIVED, PRIMARY or SECONDARY
# By what an image is: the words in its ImageType.
NO_SCANS = {
    "a scout": frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVEY"}),
    "a projection of other slices": frozenset(
        {"MIP", "MINIP", "MAX_IP", "MIN_IP", "CPR", "PROJECTION", "VRT", "SSD", "RENDERING"}
    ),
    "a map of a material or a computed quantity": frozenset(
        {"IODINE", "WATER", "CALCIUM", "FAT", "HAP", "GADOLINIUM", "URIC", "OVERLAY", "FUSION"}
        | {"MAT_SPECIFIC", "MAT_FRACTIONAL", "MAT_VALUE_BASED"}
        | {"EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "Z_EFFECTIVE", "ZEFF", "RHO"}
        | {"SUBTRACTION", "DIFFERENCE", "CBF", "CBV", "MTT", "TTP", "PERMEABILITY"}
    ),
}


def check_no_derived(headers: Sequence[SliceHeader]) -> None:
    """Raise ScanError if the ImageType of a slice says that it is no slice of a scan in HU."""
    found = [(header, what) for header in headers for what in _kinds(header.tags["ImageType"])]
    if not found:
        return
    header, what = found[0]
    n_files = len({one.path for one, _ in found})
    raise ScanError(
        "slices show the scan itself in HU",
        seen=f"{header.path} has ImageType '{header.tags['ImageType']}', {what} ({n_files} of"
        f" {len(headers)} files)",
        remedy="leave this series out" if n_files == len(headers) else "take such files out",
    )


def _kinds(image_type: str) -> list[str]:
    """Return what an image is, in words, if its ImageType says that it is no slice of a scan."""
    values = image_type.upper().split("\\")[N_GENERAL:]
    words = {word for value in values for word in (value, *re.split(r"[^A-Z0-9]+", value))}
    return [what for what, names in NO_SCANS.items() if words & names]
