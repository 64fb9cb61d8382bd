"""Where a sample is segmented: alone, or in the place of what the model sees of a real scan.

A pancreas crop alone gives TotalSegmentator nothing to go by: it fails on real ones too.
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
    """A held-out real scan, and what the model sees of it: there a sample takes its place."""

    image: Path
    view: FieldOfView


def place(index: int, volume: Volume, hosts: Sequence[Host]) -> tuple[Volume, Region]:
    """What is segmented for a sample, and the part of it that is judged.

    Sample i goes into host i, modulo their number; without hosts it stands alone, judged whole.
    """
    if not hosts:
        return volume, (slice(None), slice(None), slice(None))
    host = hosts[index % len(hosts)]
    scan = read_scan(host.image)
    return put_back(volume.array, scan, host.view), voxels_of(host.view.seen, scan)
