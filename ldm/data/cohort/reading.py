"""Read a cohort: inspect every scan that a folder lists, and split those that a crop can use."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ldm.config import Crop
from ldm.data.cohort.abdomen import notes_on_regions
from ldm.data.cohort.case import Case, Listing
from ldm.data.cohort.cohort import Cohort, Exclusion, Scan, require_enough
from ldm.data.cohort.inspection import (
    Findings,
    inspect_or_reason,
    reason_against,
    reason_without_mask,
)
from ldm.data.cohort.inspection_cache import InspectionCache
from ldm.data.cohort.pseudonyms import HIDDEN, pseudonym, without_names
from ldm.data.cohort.splits import assign_splits
from ldm.processes import OnDone, results_as_they_come

MIN_SERIES = 3  # two series of one patient are common


def read_cohort(
    listing: Listing,
    *,
    crop: Crop,
    holds_pancreas: bool = False,
    cache: Path | None = None,
    n_workers: int | None = None,
    on_scan: OnDone | None = None,
    salt: bytes | None = None,
) -> Cohort:
    """Inspect every listed scan and split the usable ones by patient.

    A problem with one scan only excludes this scan. Each listed entry is either in ``scans`` of the
    result or in ``exclusions``, with the reason.

    Parameters
    ----------
    listing
        The cases to inspect.
    crop
        The crop that the scans are for. The crop ``pancreas`` excludes cases without a mask.
    holds_pancreas
        Whether the crop ``semi-body`` must hold the pancreas, and so excludes them too.
    cache
        A folder in which inspections are stored, so that unchanged scans are not read again. None
        stores nothing.
    n_workers
        Number of processes that read scans. None uses one for each core, at most 16.
    on_scan
        Called as ``on_scan(done, total)`` after each scan that was read. Scans from the cache are
        not counted.
    salt
        If given, cases are named by a salted hash, and the reasons do not contain names of files.

    Raises
    ------
    InputError
        If fewer than 2 scans (one to train on, one to validate on) are usable.
    """
    inspect = inspect_or_reason if salt is None else _inspect_without_names
    shown = listing if salt is None else _under_pseudonyms(listing, salt)
    without = partial(reason_without_mask, crop=crop, holds_pancreas=holds_pancreas)
    found = _inspect_all(
        shown.cases,
        without,
        InspectionCache(cache, listing.folder) if cache is not None else None,
        partial(results_as_they_come, inspect, n_workers=n_workers),
        on_scan,
    )
    against = partial(reason_against, crop=crop, holds_pancreas=holds_pancreas)
    outcomes = [
        outcome if isinstance(outcome, str) else against(case, outcome) or outcome
        for case, outcome in zip(shown.cases, found, strict=True)
    ]
    usable: dict[str, tuple[Case, Findings]] = {}
    exclusions = [
        Exclusion(case_id=one.place, reason=str(one.error) if salt is None else HIDDEN)
        for one in listing.bad_entries
    ]
    for case, outcome in zip(shown.cases, _without_repeats(shown.cases, outcomes), strict=True):
        if isinstance(outcome, str):
            reason = outcome if salt is None else without_names(outcome, case)
            exclusions.append(Exclusion(case_id=case.case_id, reason=reason))
        else:
            usable[case.case_id] = (case, outcome)
    splits = assign_splits(usable)
    scans = [
        Scan(case=case, findings=findings, split=splits[case_id])
        for case_id, (case, findings) in sorted(usable.items())
    ]
    cohort = Cohort(
        name=shown.name,
        scans=tuple(scans),
        exclusions=tuple(exclusions),
        is_phantom=shown.is_phantom,
        notes=tuple(_notes(listing, scans, salt)),
    )
    require_enough(cohort, 2)
    return cohort


def _notes(listing: Listing, scans: Sequence[Scan], salt: bytes | None) -> Iterator[str]:
    """Yield the notes on the listing and on each scan. With a salt, none may name a file."""
    yield from listing.notes if salt is None else listing.nameless_notes
    if has_one_patient([scan.findings for scan in scans]):
        yield "all series have the same PatientID, so the study tells patients apart"
    yield from notes_on_regions(scans)
    for scan in scans:
        yield from (f"{scan.case_id}: {note}" for note in scan.findings.notes)


def has_one_patient(outcomes: Sequence[Findings | str]) -> bool:
    """Return whether all series, 3 or more of several studies, have the same PatientID.

    Then it names no patient, but is what a program wrote for all.
    """
    series = [one for one in outcomes if isinstance(one, Findings) and one.patient is not None]
    n_patients, n_studies = (
        len({one.patient for one in series}),
        len({one.study for one in series}),
    )
    return len(series) >= MIN_SERIES and n_patients == 1 and n_studies > 1


def _inspect_all(
    cases: Sequence[Case],
    without_mask: Callable[[Case], str | None],
    cache: InspectionCache | None,
    inspect: Callable[[Sequence[Case]], Iterator[tuple[int, Findings | str]]],
    on_scan: OnDone | None,
) -> list[Findings | str]:
    """Return the findings of each case, or the reason why it cannot be used.

    ``without_mask`` returns the reason for a case that lacks a mask. It is not read then.
    ``inspect`` is called with the cases that the cache does not know.
    """
    found: dict[int, Findings | str] = {}
    new = []
    for index, case in enumerate(cases):
        known = without_mask(case) or (cache.get(case) if cache else None)
        if known is None:
            new.append(index)
        else:
            found[index] = known
    inspected = inspect([cases[index] for index in new])
    for n_done, (position, outcome) in enumerate(inspected, start=1):
        index = new[position]
        found[index] = outcome if cache is None else cache.put(cases[index], outcome)
        if on_scan is not None:
            on_scan(n_done, len(new))
    return [found[index] for index in range(len(cases))]


def _under_pseudonyms(listing: Listing, salt: bytes) -> Listing:
    cases = [replace(case, case_id=pseudonym(salt, case.case_id)) for case in listing.cases]
    return replace(listing, name=pseudonym(salt, listing.name), cases=tuple(cases))


def _inspect_without_names(case: Case) -> Findings | str:
    """Return the same as ``inspect_or_reason``, with a reason that names no file.

    Such a reason may be stored.
    """
    found = inspect_or_reason(case)
    return without_names(found, case) if isinstance(found, str) else found


def _without_repeats(
    cases: Sequence[Case], outcomes: Sequence[Findings | str]
) -> list[Findings | str]:
    """Return the outcomes, with a reason for each case that repeats an earlier one.

    A case is a repeat if it has the name, the patient, the image bytes or the voxels of an earlier
    case that can be used. Without this check, a patient who is listed twice could be both trained
    on and tested on. If all series have the same patient, the study counts instead.
    """
    studies_count = has_one_patient(outcomes)
    first_by_key: dict[tuple[str, str], Case] = {}
    checked: list[Findings | str] = []
    for case, outcome in zip(cases, outcomes, strict=True):
        if isinstance(outcome, str):
            checked.append(outcome)
            continue
        keys = _identity(case, outcome, studies_count=studies_count)
        first = next((first_by_key[key] for key in keys if key in first_by_key), None)
        if first is None:
            first_by_key |= dict.fromkeys(keys, case)
            checked.append(outcome)
            continue
        same = [what for what, value in keys if first_by_key.get((what, value)) is first]
        checked.append(
            f"a patient may be listed once, {case.image} repeats {' and '.join(same)} of"
            f" {first.image}: take one of them out, or rename one if they are of two patients"
        )
    return checked


def _identity(case: Case, found: Findings, *, studies_count: bool) -> list[tuple[str, str]]:
    """Return what no two cases may share: what it is, for messages, and its value."""
    patient = found.study if studies_count else found.patient
    values = {
        "the name": case.case_id,
        "the name of the patient's folder or file": case.patient,
        "the bytes": found.image_sha256,
        "the voxels": found.voxels_sha256,
        "the study" if studies_count else "the PatientID": patient,
    }
    return [(what, value) for what, value in values.items() if value is not None]
