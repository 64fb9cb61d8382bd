"""A case: a scan that a folder lists, before its files have been read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ldm.data.cohort.mask_labels import DECATHLON, MaskLabels
from ldm.errors import InputError

MAX_NAME_BYTES = 200  # a file name has at most 255; ours add a suffix

N_LINKS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One scan that a folder lists. Its files may be missing or damaged.

    ``case_id`` is its name, and usually that of the patient. ``image`` is a NIfTI file or a folder
    of DICOM slices. ``mask`` is the expert mask, or None if there is none:
    ``ldm.data.cohort.expert_mask`` says in which forms it comes. ``labels`` says what its labels
    stand for. ``patient`` is the name of the patient where it is known to differ from that of the
    case, because patients have several scans. ``surplus_masks`` are the masks that were found for
    it if there are several, in which case none of them is used.
    """

    case_id: str
    image: Path
    mask: Path | None
    labels: MaskLabels = DECATHLON
    patient: str | None = None
    surplus_masks: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BadEntry:
    """An entry of a folder's list that names no case, with the error that says why.

    ``place`` is where the list has the entry, such as ``training[3]``.
    """

    place: str
    error: InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The cases of a folder, in the order in which the folder lists them.

    Attributes
    ----------
    folder
        The folder.
    name
        The name of the cohort.
    cases
        The scans that are listed.
    is_phantom
        Whether the scans are phantoms.
    bad_entries
        The entries that name no case. They leave the others in use.
    notes
        What a reader should know of how the folder was read. A note may name files.
    nameless_notes
        The same as far as it can be said without the name of a file.
    """

    folder: Path
    name: str
    cases: tuple[Case, ...]
    is_phantom: bool
    bad_entries: tuple[BadEntry, ...] = ()
    notes: tuple[str, ...] = ()
    nameless_notes: tuple[str, ...] = ()


def with_notes(listing: Listing, notes: tuple[str, ...]) -> Listing:
    """Return a listing with further notes, none of which names a file."""
    return replace(
        listing,
        notes=(*notes, *listing.notes),
        nameless_notes=(*notes, *listing.nameless_notes),
    )


def notes_of_links(folder: Path, *, has_names: bool = True) -> tuple[str, ...]:
    """Return notes on the links that lie directly in a cohort's folder.

    These lead to other folders, or to nothing: then what the user linked is not used. Links whose
    names begin with a dot are left out. Without names, only links to nothing are counted.
    """
    links = [
        path
        for path in sorted(folder.iterdir())
        if path.is_symlink() and not path.name.startswith(".")
    ]
    closed = [path for path in links if not _can_be_seen(path)]
    dead = [path for path in links if path not in closed and not path.exists()]
    if not has_names:
        return (f"links that lead nowhere: {len(dead)}",) if dead else ()
    folders = [path for path in links if path not in closed and path.is_dir()]
    return (
        *_shown_links(folder, closed, "which this user may not open", "links in {} are closed"),
        *_shown_links(folder, dead, "which does not exist", "links in {} lead nowhere"),
        *_shown_links(folder, folders, "", "folders in {} link elsewhere"),
    )


def _shown_links(folder: Path, links: Sequence[Path], state: str, others: str) -> list[str]:
    """Return a note on each of the first links, and one on the number of others."""
    ending = f", {state}" if state else ""
    notes = [f"{path} links to {_target(path)}{ending}" for path in links[:N_LINKS_SHOWN]]
    if len(links) > N_LINKS_SHOWN:
        notes.append(f"{len(links) - N_LINKS_SHOWN} more {others.format(folder)}")
    return notes


def _target(link: Path) -> Path:
    """Return where a link leads. For a link to nothing, this is the path in the link itself."""
    return link.resolve() if _can_be_seen(link) and link.exists() else link.readlink()


def _can_be_seen(path: Path) -> bool:
    """Return whether this user may open the folders in which a path lies."""
    try:
        path.exists()
    except PermissionError:
        return False
    return True


def check_case_id(case_id: str, place: Path | str) -> None:
    """Raise InputError unless the name of a case can safely be used in the names of our files.

    A name has 1 to 200 printable bytes, no slash and no leading dot. ``place`` is the file or
    folder in which the name was found; the error names it.
    """
    is_short = case_id.isprintable() and len(case_id.encode()) <= MAX_NAME_BYTES
    if not is_short or case_id[:1] in {"", "."} or {"/", "\\"} & set(case_id):
        raise InputError(
            f"the name of a case has 1 to {MAX_NAME_BYTES} printable bytes, no slash and no"
            " leading dot",
            seen=f"{place} has {case_id!r:.80}",
            remedy="rename it",
        )
