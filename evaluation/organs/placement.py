"""Choose where a sample is segmented: alone, or put back into a real scan.

A pancreas crop shows too little anatomy for TotalSegmentator, which fails even on real crops. There
a sample replaces the same part of a held-out real scan and is segmented in this surrounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.field_of_view import FieldOfView
from ldm.data.geometry.grid import put_back, voxels_of
from ldm.data.geometry.volume import Volume

Region: TypeAlias = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A held-out real scan that samples are put back into.

    Attributes
    ----------
    image
        File of the scan.
    view
        The part of the scan that the diffusion model sees, which a sample replaces.
    """

    image: Path
    view: FieldOfView


def place(index: int, volume: Volume, hosts: Sequence[Host]) -> tuple[Volume, Region]:
    """Return the volume to segment for a sample, and the region of it that is judged.

    Sample i is put into host i, starting again with the first host after the last one. Without
    hosts the sample is segmented alone and judged as a whole.
    """
    if not hosts:
        return volume, (slice(None), slice(None), slice(None))
    host = hosts[index % len(hosts)]
    scan = read_scan(host.image)
    return put_back(volume.array, scan, host.view), voxels_of(host.view.seen, scan)
