"""List the cases of an export of DICOM series."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ldm.data.cohort.case import (
    MAX_NAME_BYTES,
    BadEntry,
    Case,
    Listing,
    check_case_id,
    notes_of_links,
)
from ldm.data.cohort.mask_labels import DECATHLON, MaskLabels
from ldm.data.cohort.series_masks import find_masks
from ldm.data.dicom.export import Export, read_export
from ldm.data.dicom.file_kind import FileKind
from ldm.data.dicom.split_series import parts_of_series
from ldm.errors import InputError

N_SHOWN = 3
KEPT_BYTES, N_DIGITS = 180, 10  # of a name that is too long, and of the hash that follows it


def list_export(folder: Path, labels: MaskLabels | None) -> Listing | None:
    """List each folder with DICOM slices at or below ``folder``. None if there is none.

    The name of a case is its path below ``folder``, with "__" between the parts. A name that is too
    long ends with a hash instead. A folder that cannot be used is a bad entry: it cannot be read,
    holds only a part of a series, or all its slices have lost their content.
    """
    export = read_export(folder)
    slices = {
        place: [path for path, kind in export.files[place].items() if kind is FileKind.SLICE]
        for place in export.folders_of(FileKind.SLICE)
    }
    errors: dict[Path, InputError] = {**export.unreadable, **export.lost_series()}
    if not slices and not errors:
        return None
    errors |= parts_of_series(slices)
    series = _named(folder, list(slices))
    for case_id, place in series.items():
        try:
            check_case_id(case_id, os.fsencode(place).decode(errors="backslashreplace"))
        except InputError as error:
            errors[place] = error
    masks = find_masks(export, folder, series)
    places = sorted({*slices, *errors})
    return Listing(
        folder=folder,
        name=folder.name,
        cases=tuple(
            Case(
                case_id=case_id,
                image=place,
                mask=masks.of_case.get(case_id),
                labels=labels or DECATHLON,
                surplus_masks=masks.surplus.get(case_id, ()),
            )
            for case_id, place in series.items()
            if place not in errors
        ),
        is_phantom=False,
        bad_entries=tuple(
            BadEntry(place=f"series[{index}]", error=errors[place])
            for index, place in enumerate(places)
            if place in errors
        ),
        notes=(
            *notes_of_links(folder),
            *_notes(export, folder, has_names=True),
            *masks.notes(has_names=True),
        ),
        nameless_notes=(
            *notes_of_links(folder, has_names=False),
            *_notes(export, folder, has_names=False),
            *masks.notes(has_names=False),
        ),
    )


def _notes(export: Export, root: Path, *, has_names: bool) -> Iterator[str]:
    """Yield notes on what is not used: files beside no slices, hidden folders, and links."""
    beside_none = {
        folder
        for folder, kinds in export.files.items()
        if FileKind.SLICE not in kinds.values() and folder not in export.lost_series()
    }
    lost = [
        path
        for path in export.files_of(FileKind.LOST)
        if path.parent in beside_none and not (path.parent == root and path.is_symlink())
    ]
    objects = [path for path in export.files_of(FileKind.OBJECT) if path.parent in beside_none]
    for what, paths in (
        ("DICOM files that hold no image, which are not used", objects),
        ("files that are empty or link to a missing file", lost),
        ("links to folders that are not followed", export.links),
    ):
        if paths:
            yield f"{what}: {len(paths)}{_shown(paths) if has_names else ''}"
    if export.hidden:
        yield f"hidden folders, which are not used: {len(export.hidden)}"


def _named(root: Path, folders: Sequence[Path]) -> Mapping[str, Path]:
    """Return the folders of series by the names of their cases. Each has a name of its own."""
    named: dict[str, Path] = {}
    for folder in folders:
        parts = folder.relative_to(root).parts
        name = "__".join(parts) or root.resolve().name
        if name in named or len(os.fsencode(name)) > MAX_NAME_BYTES:
            start = os.fsencode(name)[:KEPT_BYTES].decode(errors="ignore")
            digest = hashlib.sha256(os.fsencode(folder.relative_to(root))).hexdigest()
            name = f"{start}-{digest[:N_DIGITS]}"
        named[name] = folder
    return named


def _shown(paths: Sequence[Path]) -> str:
    names = ", ".join(map(str, paths[:N_SHOWN]))
    return f" ({names}{', ...' if len(paths) > N_SHOWN else ''})"
