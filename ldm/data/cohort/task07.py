"""The layout of a Medical Segmentation Decathlon folder: dataset.json and the files it lists."""

import json
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ldm.data.cohort.case import BadEntry, Case, Listing, check_case_id, notes_of_links, with_notes
from ldm.data.cohort.found_cases import nifti_named
from ldm.data.cohort.layouts import CHANNEL
from ldm.data.cohort.mask_labels import (
    DECATHLON,
    MaskLabels,
    labels_by_name,
    names_of_labels,
    note_on_labels,
)
from ldm.data.cohort.nnunet import is_nnunet, read_nnunet
from ldm.data.cohort.patient_folders import named_by_folders
from ldm.data.cohort.permissions import require_open
from ldm.data.cohort.unused_files import not_listed, notes_on, notes_on_lists
from ldm.errors import InputError
from ldm.files.json_file import read_bytes

DATASET_FILE = "dataset.json"
PHANTOM_MARKER = "pancreatune_phantom"  # a key of dataset.json, true where no patient was scanned
LISTS = ("training", "validation", "test", "testing")
LAYOUT = '{"name": "Pancreas", "training": [{"image": ..., "label": ...}], "test": [...]}'


def read_task07(folder: Path, labels: MaskLabels | None) -> Listing:
    """Return the cases that ``folder/dataset.json`` lists for training, validation and testing.

    Entries are ``{"image": ..., "label": ...}`` or, without a mask, the path of the image alone. An
    entry that is wrong becomes a ``BadEntry``, and the others stay in use. Links directly in the
    folder may lead anywhere, for example ``imagesTr`` to another disk; a note says where.
    ``labels`` says what the labels of masks stand for. If it is None, the names under ``labels`` in
    the file decide, or those of the Decathlon if it has no names.

    A data set of nnU-Net 2, which lists no scans, is read by the names of its files.

    The files are not opened. Raises InputError if ``dataset.json`` is not JSON with the layout of
    Task07 or of nnU-Net.
    """
    file = folder / DATASET_FILE
    content = _read_json(file)
    labels, said = _labels_and_note(file, content, labels)
    if is_nnunet(content):
        return with_notes(read_nnunet(file, content, labels), said)
    name, training = content.get("name"), content.get("training")
    if not isinstance(name, str):
        raise _structure_error(file, "name", "be a string", name)
    if not isinstance(training, list):
        raise _structure_error(file, "training", "be a list", training)
    cases: list[Case] = []
    bad_entries: list[BadEntry] = []
    for key in LISTS:
        entries = content.get(key) or []  # null and {} are empty; a note says so
        if not isinstance(entries, list):
            raise _structure_error(file, key, "be a list", entries)
        for position, entry in enumerate(entries):
            place = f"{key}[{position}]"
            try:
                cases.append(_case(file, place, entry, labels))
            except InputError as error:
                bad_entries.append(BadEntry(place=place, error=error))
    unused = list(not_listed(folder, [case.image for case in cases], _paths(folder, content)))
    notes = (*said, *notes_on_lists(content, LISTS))
    return Listing(
        folder=folder,
        name=name,
        cases=tuple(_with_names_of_folders(cases, folder)),
        is_phantom=content.get(PHANTOM_MARKER) is True,
        bad_entries=tuple(bad_entries),
        notes=(*notes_of_links(folder), *notes, *notes_on(unused, folder, has_names=True)),
        nameless_notes=(
            *notes_of_links(folder, has_names=False),
            *notes,
            *notes_on(unused, folder, has_names=False),
        ),
    )


def _paths(folder: Path, content: dict[str, object]) -> set[Path]:
    """Return the paths in the entries that are read, of wrong ones too."""
    listed = [content[key] for key in LISTS if isinstance(content.get(key), list)]
    entries = [entry for entries in listed if isinstance(entries, list) for entry in entries]
    values = [
        value
        for entry in entries
        for value in (entry.values() if isinstance(entry, dict) else [entry])
    ]
    return {folder / value for value in values if isinstance(value, str)}


def _read_json(file: Path) -> dict[str, object]:
    try:
        content = json.loads(read_bytes(file).decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            remedy="correct it there or unpack it again",
        ) from error
    except (OSError, ValueError, RecursionError) as error:  # another encoding, endless nesting
        raise InputError(f"{file} cannot be read ({error})", remedy="copy it again") from error
    if not isinstance(content, dict):
        raise _structure_error(file, "content", "be an object", content)
    return content


def _structure_error(file: Path, where: str, rule: str, value: object) -> InputError:
    shown = "nothing" if value is None else f"{value!r:.80}"
    return InputError(
        f"{where} must {rule}", seen=f"got {shown}; the layout is {LAYOUT}", place=file
    )


def _labels_and_note(
    file: Path, content: dict[str, object], given: MaskLabels | None
) -> tuple[MaskLabels, tuple[str, ...]]:
    """Return what the labels of masks stand for, and a note on it. ``given`` counts most."""
    named = None if given else _named_labels(file, content)
    if named is None:
        labels = given or DECATHLON
        return labels, note_on_labels(labels)
    labels = labels_by_name(named, file)
    return labels, note_on_labels(labels, names_of_labels(named))


def _named_labels(file: Path, content: dict[str, object]) -> dict[str, object] | None:
    """Return what the file has under ``labels``, or None if it has nothing there."""
    named = content.get("labels")
    if isinstance(named, list):  # the place of a name in the list is its label
        named = {str(label): name for label, name in enumerate(named)}
    if named is not None and not isinstance(named, dict):
        raise _structure_error(file, "labels", "be an object", named)
    return named


def _case(file: Path, place: str, entry: object, labels: MaskLabels) -> Case:
    """Return the case of an entry. Raises InputError if the entry names none."""
    if isinstance(entry, str):
        entry = {"image": entry}
    if not isinstance(entry, dict):
        raise _structure_error(file, place, "be a path, or have an image and a label", entry)
    image = _listed_path(file, f"{place}.image", entry.get("image"))
    case_id = case_id_of(image)
    if not image.exists():  # nnU-Net 1 lists scans without the ending of their channel
        image = nifti_named(image.parent, f"{case_id}{CHANNEL}") or image
    label = entry.get("label")
    mask = None if label is None else _listed_path(file, f"{place}.label", label)
    return Case(case_id=case_id, image=image, mask=mask, labels=labels)


def _with_names_of_folders(cases: list[Case], root: Path) -> list[Case]:
    """Return the cases, named by the folders of their patients if they lie in such.

    Images of the same name elsewhere, as in ``imagesTr`` and ``imagesTs``, keep it, and are taken
    for one patient who is listed twice.
    """
    named = named_by_folders([case.image for case in cases], root)
    renamed = []
    for case in cases:
        case_id, patient = named.get(case.image, (None, None))
        renamed.append(replace(case, case_id=case_id or case.case_id, patient=patient))
    return renamed


def _listed_path(file: Path, where: str, entry: object) -> Path:
    """Return the path of an entry of ``dataset.json``.

    ``where`` is the place of the entry, such as "training[3].image". Raises InputError if the entry
    is not a path, if the path leads out of the folder, or if this user may not open its folder.
    """
    if not isinstance(entry, str) or not entry:
        raise _structure_error(file, where, "be a path", entry)
    relative = PurePosixPath(entry.replace("\\", "/"))  # programs on Windows write backslashes
    path = file.parent / relative
    if not relative.parts:
        raise _structure_error(file, where, "be a path of a file inside the folder", entry)
    if not entry.isprintable():
        raise _structure_error(file, where, "be a path of printable characters", entry)
    check_case_id(case_id_of(path), f"{file}: {where}")
    top = file.parent / relative.parts[0]  # may be a link to another disk
    try:
        is_inside = len(relative.parts) > 1 and path.resolve().is_relative_to(top.resolve())
        is_inside |= path.resolve().is_relative_to(file.parent.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null character
        raise _structure_error(file, where, f"be a path ({error})", entry) from error
    if relative.is_absolute() or ".." in relative.parts or not is_inside:
        raise InputError(
            f"{where} must stay inside the folder",
            seen=f"{entry!r} is absolute, climbs with '..' or links out of it",
            place=file,
            remedy="list a path relative to the folder, and copy the file there",
        )
    require_open(path)
    return path


def case_id_of(image: Path) -> str:
    """Return the name of a case: the file name of its image without ``.nii`` or ``.nii.gz``.

    In Task07 this is the name of the patient.
    """
    return image.name.removesuffix(".gz").removesuffix(".nii")
