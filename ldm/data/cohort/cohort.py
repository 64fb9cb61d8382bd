"""The cohort of one crop: usable scans, each with its split, and the cases that are left out."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from ldm.data.cohort.case import Case
from ldm.data.cohort.expert_mask import MaskForm, mask_form
from ldm.data.cohort.inspection import Findings
from ldm.data.cohort.mask_labels import DECATHLON, MaskLabels
from ldm.errors import InputError

N_REASONS_SHOWN = 10


class Split(StrEnum):
    """What a scan is used for. Test scans are kept for the final report."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A usable scan: its files, what their inspection found, and the split that it belongs to."""

    case: Case
    findings: Findings
    split: Split

    @property
    def case_id(self) -> str:
        """The name of the case."""
        return self.case.case_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A case that is left out of a cohort, with the reason in words."""

    case_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The scans that one crop can use, and the cases that are left out.

    ``scans`` are sorted by the name of the case. ``exclusions`` have the order in which the folder
    lists the cases. ``notes`` say what a reader should know of how the scans were read.
    """

    name: str
    scans: tuple[Scan, ...]
    exclusions: tuple[Exclusion, ...]
    is_phantom: bool
    notes: tuple[str, ...] = ()

    def of(self, split: Split) -> tuple[Scan, ...]:
        """Return the scans of one split, sorted by the name of the case."""
        return tuple(scan for scan in self.scans if scan.split is split)

    @property
    def labels(self) -> MaskLabels:
        """What the labels of the masks stand for, which is the same for all scans."""
        return self.scans[0].case.labels if self.scans else DECATHLON

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with the cases, their files and labels, and the splits."""
        lines = [
            f"{scan.case_id} {scan.findings.sha256} {scan.split}" + _mark_of_labels(scan.case)
            for scan in self.scans
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _mark_of_labels(case: Case) -> str:
    """Return a text that changes with how the labels of a mask are read.

    It is empty for those of the Decathlon, so that stores that were made before there were others
    keep their names.
    """
    mark = "" if case.labels == DECATHLON else f" {case.labels}"
    if case.mask is None or not case.labels.is_given:
        return mark
    is_by_number = mask_form(case.mask) is MaskForm.SEGMENTATION
    return f"{mark} of segments" if is_by_number else mark


def require_enough(cohort: Cohort, n_minimum: int) -> None:
    """Raise InputError if a cohort has fewer than ``n_minimum`` usable scans.

    The error shows the reasons of the first 10 exclusions.
    """
    if len(cohort.scans) >= n_minimum:
        return
    n_listed = len(cohort.scans) + len(cohort.exclusions)
    reasons = [f"\n  {one.case_id}: {one.reason}" for one in cohort.exclusions[:N_REASONS_SHOWN]]
    if len(cohort.exclusions) > N_REASONS_SHOWN:
        reasons.append(f"\n  and {len(cohort.exclusions) - N_REASONS_SHOWN} more")
    raise InputError(
        f"at least {n_minimum} usable scans are needed",
        seen=f"cohort {cohort.name} has {len(cohort.scans)} of {n_listed} listed",
        remedy=f"add scans, or repair those that were left out{''.join(reasons)}",
    )
