"""The layout of a Medical Segmentation Decathlon folder: dataset.json and the files it lists."""

import json
from pathlib import Path, PurePosixPath

from ldm.data.cohort.case import Case, Listing, check_case_id
from ldm.errors import InputError
from ldm.files.json_file import read_bytes

DATASET_FILE = "dataset.json"
PHANTOM_MARKER = "pancreatune_phantom"  # a key of dataset.json, true where no patient was scanned
LAYOUT = '{"name": "Pancreas", "training": [{"image": ..., "label": ...}], "test": [...]}'


def read_task07(folder: Path) -> Listing:
    """Return the cases that ``folder/dataset.json`` lists under ``training``, then under ``test``.

    The listed files are not opened. Raises InputError if the folder or the file is missing, if the
    file is not JSON with the layout of Task07, or if it lists a path outside the folder.
    """
    file = folder / DATASET_FILE
    content = _read_json(folder, file)
    name, training, test = (
        content.get("name"),
        content.get("training"),
        content.get("test", []),
    )
    if not isinstance(name, str):
        raise _structure_error(file, "name", "be a string", name)
    if not isinstance(training, list):
        raise _structure_error(file, "training", "be a list", training)
    if not isinstance(test, list):
        raise _structure_error(file, "test", "be a list", test)
    cases = [_training_case(file, position, entry) for position, entry in enumerate(training)]
    cases += [_test_case(file, position, entry) for position, entry in enumerate(test)]
    is_phantom = content.get(PHANTOM_MARKER) is True
    return Listing(folder=folder, name=name, cases=tuple(cases), is_phantom=is_phantom)


def _read_json(folder: Path, file: Path) -> dict[str, object]:
    if not folder.is_dir():
        raise InputError(
            "the scans must be in a folder", seen=f"{folder} is none", remedy="check the path"
        )
    if not file.is_file():
        raise InputError(
            f"a Task07 folder has a {DATASET_FILE}",
            seen=f"{folder} has none",
            remedy="give the folder that contains it (Task07_Pancreas once unpacked)",
        )
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


def _training_case(file: Path, position: int, entry: object) -> Case:
    where = f"training[{position}]"
    if not isinstance(entry, dict):
        raise _structure_error(file, where, "have an image and a label", entry)
    image = _listed_path(file, f"{where}.image", entry.get("image"))
    mask = _listed_path(file, f"{where}.label", entry.get("label"))
    return Case(case_id=case_id_of(image), image=image, mask=mask)


def _test_case(file: Path, position: int, entry: object) -> Case:
    image = _listed_path(file, f"test[{position}]", entry)
    return Case(case_id=case_id_of(image), image=image, mask=None)


def _listed_path(file: Path, where: str, entry: object) -> Path:
    """Return the path of an entry of ``dataset.json``.

    ``where`` is the place of the entry, such as "training[3].image". Raises InputError if the entry
    is not a path, or if the path leads out of the folder.
    """
    if not isinstance(entry, str) or not entry:
        raise _structure_error(file, where, "be a path", entry)
    relative = PurePosixPath(entry)
    path = file.parent / relative
    if not entry.isprintable():
        raise _structure_error(file, where, "be a path of printable characters", entry)
    check_case_id(case_id_of(path), f"{file}: {where}")
    try:
        is_inside = path.resolve().is_relative_to(file.parent.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null character
        raise _structure_error(file, where, f"be a path ({error})", entry) from error
    if relative.is_absolute() or ".." in relative.parts or not is_inside:
        raise InputError(
            f"{where} must stay inside the folder",
            seen=f"{entry!r} is absolute, climbs with '..' or links out of it",
            place=file,
            remedy="list a path relative to the folder, and copy the file there",
        )
    return path


def case_id_of(image: Path) -> str:
    """Return the name of a case: the file name of its image without ``.nii`` or ``.nii.gz``.

    In Task07 this is the name of the patient.
    """
    return image.name.removesuffix(".gz").removesuffix(".nii")
