"""Find out from the first scans whether semi-body cubes hold the pancreas."""

from collections.abc import Callable
from itertools import islice

from ldm.config import Crop
from ldm.data.cohort.case import Case, Listing
from ldm.data.cohort.cohort import Scan, Split
from ldm.data.cohort.inspection import inspect_case
from ldm.data.cohort.scan_file import read_scan
from ldm.data.geometry.crop import find_box
from ldm.data.geometry.volume import BoolArray, Volume
from ldm.data.latents.cubes import describe_shares
from ldm.data.latents.gridding import pancreas_share
from ldm.errors import ScanError
from orchestration.preflight.findings import N_SCANS_READ, Finding

NAME = "semi-body cubes"


def cubes_of_first_scans(
    listed: Listing, find_trunk: Callable[[Volume], BoolArray], *, holds_pancreas: bool
) -> Finding:
    """Cut the cubes of the first scans with a mask, and say how much of the pancreas they hold.

    At least one scan must have a mask. ``find_trunk`` returns the mask of the trunk in a scan.
    ``holds_pancreas`` says whether the cubes must hold the pancreas.
    """
    cases = list(islice((case for case in listed.cases if case.mask is not None), N_SCANS_READ))
    shares: dict[str, float | None] = {}
    reasons = []
    for case in cases:
        try:
            shares[case.case_id] = _share(case, find_trunk, holds_pancreas=holds_pancreas)
        except ScanError as error:  # a sweep leaves such a scan out
            reasons.append(f"scan {case.case_id} has none: {error}")
    known = describe_shares(shares)
    return Finding(name=NAME, is_here=True, seen="; ".join([*([known] if known else []), *reasons]))


def _share(
    case: Case, find_trunk: Callable[[Volume], BoolArray], *, holds_pancreas: bool
) -> float | None:
    scan = Scan(case=case, findings=inspect_case(case), split=Split.TRAIN)
    volume = read_scan(case.image)
    box = find_box(
        Crop.SEMI_BODY,
        volume,
        mask_box=scan.findings.mask_box,
        margin_mm=0.0,
        find_trunk=find_trunk,
        holds_pancreas=holds_pancreas,
    )
    return pancreas_share(scan, box, volume)
