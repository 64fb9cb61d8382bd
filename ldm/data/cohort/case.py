"""A case: a scan that a folder lists, before anybody has looked into its files."""

from dataclasses import dataclass
from pathlib import Path

from ldm.errors import InputError

MAX_NAME_BYTES = 200  # a file name has at most 255; ours add a suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One scan of a folder, by the name of its patient; its files may be missing or broken.

    ``image`` is a NIfTI file or a folder of DICOM slices. ``mask`` is the expert mask, if there is
    one.
    """

    case_id: str
    image: Path
    mask: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The cases of a folder in their listed order, and what the cohort is called."""

    folder: Path
    name: str
    cases: tuple[Case, ...]
    is_phantom: bool


def check_case_id(case_id: str, place: Path | str) -> None:
    """Raise InputError unless a case can give its name to our files, which stay in their folder.

    ``place`` is where the name was found.
    """
    is_short = case_id.isprintable() and len(case_id.encode()) <= MAX_NAME_BYTES
    if not is_short or case_id[:1] in {"", "."} or {"/", "\\"} & set(case_id):
        raise InputError(
            f"the name of a case has 1 to {MAX_NAME_BYTES} printable bytes, no slash and no"
            " leading dot",
            seen=f"{place} has {case_id!r:.80}",
            remedy="rename it",
        )
