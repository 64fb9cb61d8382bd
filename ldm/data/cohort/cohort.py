"""Scans of a Task07 folder: usable ones with their split, the others with their reasons."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from ldm.config import Crop
from ldm.data.cohort.inspection import (
    Findings,
    inspect_or_reason,
    reason_against,
    reason_without_mask,
)
from ldm.data.cohort.inspection_cache import InspectionCache
from ldm.data.cohort.listing import list_cases
from ldm.data.cohort.pseudonyms import pseudonym, without_names
from ldm.data.cohort.task07 import Case, Task07Folder
from ldm.data.geometry.box import VoxelBox
from ldm.errors import InputError
from ldm.processes import OnDone, results_as_they_come

N_REASONS_SHOWN = 10


class Split(StrEnum):
    """What a scan is for; test scans are kept for the final report."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A usable scan; shape, spacing and box are in RAS+ order.

    ``sha256`` is over the bytes of the image, then the mask. ``mask_box`` is the half-open voxel
    box [low, high) of label > 0; None without a mask or with an empty one.
    """

    case_id: str
    image: Path
    mask: Path | None
    sha256: str
    shape_voxels: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    mask_box: VoxelBox | None
    split: Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A case that is left out, and why."""

    case_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The scans that one crop can use, sorted by case, and the exclusions in listed order."""

    name: str
    scans: tuple[Scan, ...]
    exclusions: tuple[Exclusion, ...]
    is_phantom: bool

    def of(self, split: Split) -> tuple[Scan, ...]:
        """The scans of one split, sorted by case."""
        return tuple(scan for scan in self.scans if scan.split is split)

    @property
    def fingerprint(self) -> str:
        """16 hex digits over the cases, bytes and splits of the scans."""
        lines = [f"{scan.case_id} {scan.sha256} {scan.split}" for scan in self.scans]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read_cohort(
    folder: Path,
    *,
    crop: Crop,
    cache: Path | None = None,
    n_workers: int | None = None,
    on_scan: OnDone | None = None,
    salt: bytes | None = None,
) -> Cohort:
    """Inspect every scan that a folder lists and split the usable ones by patient.

    A problem of one scan excludes it with its reason: each case is either in ``scans`` or in
    ``exclusions``. With ``cache``, a folder, scans that have not changed are not read again.
    ``on_scan(done, total)`` is called after each scan. With ``salt`` a case is known by a salted
    hash, and no reason names a file. Raises InputError for a problem of the
    folder, or when fewer than 2 scans (one to train, one to validate) are usable.
    """
    listed = list_cases(folder) if salt is None else _under_pseudonyms(list_cases(folder), salt)
    known = InspectionCache(cache, folder) if cache is not None else None
    look = inspect_or_reason if salt is None else _inspect_unnamed
    outcomes = _inspect(
        listed.cases, crop, known, partial(results_as_they_come, look, n_workers=n_workers), on_scan
    )
    usable: dict[str, tuple[Case, Findings]] = {}
    exclusions: list[Exclusion] = []
    for case, outcome in zip(
        listed.cases, _without_duplicates(listed.cases, outcomes), strict=True
    ):
        if isinstance(outcome, str):
            reason = outcome if salt is None else without_names(outcome, *named(case))
            exclusions.append(Exclusion(case_id=case.case_id, reason=reason))
        else:
            usable[case.case_id] = (case, outcome)
    splits = assign_splits(usable)
    cohort = Cohort(
        name=listed.name,
        scans=tuple(_scan(*usable[case_id], splits[case_id]) for case_id in sorted(usable)),
        exclusions=tuple(exclusions),
        is_phantom=listed.is_phantom,
    )
    require_enough(cohort, 2)
    return cohort


def _inspect(
    cases: Sequence[Case],
    crop: Crop,
    cache: InspectionCache | None,
    look_at: Callable[[Sequence[Case]], Iterator[tuple[int, Findings | str]]],
    on_scan: OnDone | None,
) -> list[Findings | str]:
    """Findings, or the reason why not, of each case for one crop."""
    found: dict[int, Findings | str] = {}
    new = []
    for index, case in enumerate(cases):
        known = reason_without_mask(case, crop) or (cache.get(case) if cache else None)
        if known is None:
            new.append(index)
        else:
            found[index] = known
    coming = look_at([cases[index] for index in new])
    for n_done, (position, outcome) in enumerate(coming, start=1):
        found[new[position]] = outcome
        if cache is not None:
            found[new[position]] = cache.put(cases[new[position]], outcome)
        if on_scan is not None:
            on_scan(n_done, len(new))
    return [_judged(case, found[index], crop) for index, case in enumerate(cases)]


def _under_pseudonyms(listed: Task07Folder, salt: bytes) -> Task07Folder:
    cases = [replace(case, case_id=pseudonym(salt, case.case_id)) for case in listed.cases]
    return replace(listed, name=pseudonym(salt, listed.name), cases=tuple(cases))


def _inspect_unnamed(case: Case) -> Findings | str:
    """As ``inspect_or_reason``; a reason names no file, and may be kept."""
    found = inspect_or_reason(case)
    return without_names(found, *named(case)) if isinstance(found, str) else found


def named(case: Case | Scan) -> tuple[str, tuple[Path | None, ...]]:
    """What a case is called, and its files, which may tell who it is."""
    return case.case_id, (case.image, case.mask)


def _judged(case: Case, outcome: Findings | str, crop: Crop) -> Findings | str:
    if isinstance(outcome, str):
        return outcome
    return reason_against(case, outcome, crop) or outcome


def require_enough(cohort: Cohort, n_minimum: int) -> None:
    """Raise InputError, with the reasons of the exclusions, unless ``n_minimum`` are usable."""
    if len(cohort.scans) >= n_minimum:
        return
    n_listed = len(cohort.scans) + len(cohort.exclusions)
    reasons = [f"\n  {one.case_id}: {one.reason}" for one in cohort.exclusions[:N_REASONS_SHOWN]]
    if len(cohort.exclusions) > N_REASONS_SHOWN:
        reasons.append(f"\n  and {len(cohort.exclusions) - N_REASONS_SHOWN} more")
    raise InputError(
        f"at least {n_minimum} usable scans are needed, cohort {cohort.name} has"
        f" {len(cohort.scans)} of the {n_listed} that its dataset.json lists: add scans or mend"
        f" what was left out{''.join(reasons)}"
    )


def assign_splits(case_ids: Iterable[str]) -> dict[str, Split]:
    """Split patients 70 / 20 / 10 into train, validation and test by the hash of their name.

    Depends on nothing but the set of names. Of 2 or more, train and validation have at least
    one. Cases are ranked by hash and cut by rank, test first: one more case moves at most one
    other across each of the two cuts, and none between train and test.
    """
    ranked = sorted(set(case_ids), key=_rank)
    n_test = (len(ranked) + 4) // 10  # a tenth, halves down
    n_validation = min(max(1, (2 * len(ranked) + 5) // 10), max(0, len(ranked) - 1))
    splits = dict.fromkeys(ranked, Split.TRAIN)
    splits.update(dict.fromkeys(ranked[:n_test], Split.TEST))
    splits.update(dict.fromkeys(ranked[n_test : n_test + n_validation], Split.VALIDATION))
    return splits


def _rank(case_id: str) -> str:
    return hashlib.sha256(case_id.encode()).hexdigest()


def _without_duplicates(
    cases: Sequence[Case], outcomes: Sequence[Findings | str]
) -> list[Findings | str]:
    """Of cases with one name, one patient or the same bytes, only the first stays usable.

    A patient who is in twice could be trained on and tested on.
    """
    first_by_key: dict[str, Case] = {}
    checked: list[Findings | str] = []
    for case, outcome in zip(cases, outcomes, strict=True):
        keys = [f"name {case.case_id}"]
        if isinstance(outcome, Findings):
            keys.append(f"bytes {outcome.image_sha256}")
            if outcome.patient is not None:
                keys.append(f"patient {outcome.patient}")
        first = next((first_by_key[key] for key in keys if key in first_by_key), None)
        for key in keys:
            first_by_key.setdefault(key, case)
        if first is None:
            checked.append(outcome)
        else:
            checked.append(
                f"a patient may be listed once, {case.image} repeats the name, the bytes or the"
                f" patient of {first.image}: take one of them out"
            )
    return checked


def _scan(case: Case, findings: Findings, split: Split) -> Scan:
    return Scan(
        case_id=case.case_id,
        image=case.image,
        mask=case.mask,
        sha256=findings.sha256,
        shape_voxels=findings.shape_voxels,
        spacing_mm=findings.spacing_mm,
        mask_box=findings.mask_box,
        split=split,
    )
