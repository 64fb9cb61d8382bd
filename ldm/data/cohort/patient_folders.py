"""Name scans by the folders of their patients, where files of the same name lie in such folders."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

Parts: TypeAlias = tuple[str, ...]  # the names of folders, from the top down

# Folders that say what scans are for. The same patient may wrongly be in two of them.
SPLIT_FOLDERS = frozenset(
    {"imagestr", "imagesval", "imagests", "train", "training", "val", "validation", "test"}
    | {"testing"}
)


def named_by_folders(images: Sequence[Path], root: Path) -> dict[Path, tuple[str | None, str]]:
    """Return the names of case and patient of images in folders of patients, by image.

    In some cohorts each patient has a folder with files of the same names. The cases of
    ``s0001/ct.nii.gz`` and ``s0002/ct.nii.gz`` become ``s0001`` and ``s0002``. Folders above those
    of patients belong to the name too, which is ``siteA__p1`` for ``siteA/p1/ct.nii.gz``, but
    folders such as ``imagesTr`` do not.

    Of all levels of folders, that with the most different names is that of the patients. Of several
    such levels it is the topmost one: two scans of a patient, as in ``p1/day1`` and ``p1/day2``,
    must not be taken for those of two. If the files in these folders have more different names than
    the folders, the files are named after patients, and nothing is returned.

    Only images whose file names clash are renamed. The name of the case is None for another image
    in the folder of a patient.
    """
    unique = list(dict.fromkeys(images))
    n_of_name = Counter(image.name for image in unique)
    shared = {image.parent for image in unique if n_of_name[image.name] > 1}
    folders = {image: _folders(image, root) for image in unique if image.parent in shared}
    paths = [Path(*parts) for parts in folders.values()]
    n_common = len(Path(os.path.commonpath(paths)).parts) if paths else 0
    below = {image: parts[n_common:] for image, parts in folders.items() if parts[n_common:]}
    levels = [
        {parts[level] for parts in below.values() if level < len(parts)}
        for level in range(max(map(len, below.values()), default=0))
    ]
    patients = max(range(len(levels)), key=lambda level: len(levels[level]), default=-1)
    n_files = len({image.name for image in below})
    if patients < 0 or n_files > len(levels[patients]):
        return {}
    place = {image: parts[: patients + 1] for image, parts in below.items()}
    names = distinct_names(place.values())
    return {
        image: (names[parts] if n_of_name[image.name] > 1 else None, parts[-1])
        for image, parts in place.items()
    }


def distinct_names(paths: Iterable[Parts]) -> dict[Parts, str]:
    """Return a name for each path: its parts with "__" between them.

    If another path has this name already, as ``a__b`` and ``a/b`` would, a number is added.
    """
    names: dict[Parts, str] = {}
    taken: set[str] = set()
    for parts in sorted(set(paths)):
        name = plain = "__".join(parts)
        n_same = 1
        while name in taken:
            n_same += 1
            name = f"{plain}~{n_same}"
        names[parts] = name
        taken.add(name)
    return names


def _folders(image: Path, root: Path) -> Parts:
    """Return the names of the folders of an image below ``root``, without those of splits."""
    parts = image.parent.relative_to(root).parts
    return tuple(part for part in parts if part.lower() not in SPLIT_FOLDERS)
