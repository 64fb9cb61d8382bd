"""Keep MLflow's records of a study together after its storage was moved, copied or renamed.

MLflow stores absolute addresses of artifacts, and runs are found again by the address of their
study. After a move, new artifacts would make the old folder again, and a second run would be opened
for the sweep.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ldm.errors import InputError
from ldm.files.json_file import read_dataclass, write_dataclass
from orchestration.private_mlflow import move_artifacts
from orchestration.study.outbox import SENT, move_paths
from orchestration.tracking.target import TrackingTarget

TARGET_FILE = "tracking.json"
ARTIFACTS = "mlflow-artifacts"  # in the storage
SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A storage that was at ``old`` and is now at ``new``. Both are absolute folders."""

    old: Path
    new: Path

    def apply(self, address: str) -> str:
        """Return an address with the new folder instead of the old one."""
        is_in_old = self.old in (Path(address), *Path(address).parents)
        return f"{self.new}{address.removeprefix(str(self.old))}" if is_in_old else address


def read_target(folder: Path) -> TrackingTarget:
    """Return where the records of a study are sent, even if its storage was moved since.

    ``folder`` is the folder of the study. Raises InputError if the study was never logged.
    """
    path = folder / TARGET_FILE
    if not path.is_file():
        raise InputError(
            f"{path} is missing", remedy="give the folder of a study that was logged to MLflow"
        )
    folder = Path(os.path.normpath(folder.absolute()))
    target = read_dataclass(TrackingTarget, path)
    if target.storage or _are_same(Path(target.study), folder):  # a URL cannot be moved
        return target
    if _root(target) not in (Path(target.study), *Path(target.study).parents):
        return target
    n_above = len(Path(target.study).relative_to(_root(target)).parts)
    move = Move(old=_root(target), new=[folder, *folder.parents][n_above])
    return replace(
        target,
        study=str(folder),
        artifacts=move.apply(target.artifacts),
        tracking_uri=_moved_uri(target.tracking_uri, move),
    )


def settle(folder: Path, target: TrackingTarget) -> tuple[TrackingTarget, str]:
    """Write down where the records of a study are sent, and follow its storage if it was moved.

    ``folder`` is the folder of the study. If the storage was moved, MLflow's records are led to the
    new place. If it is a copy, they are only if MLflow's database was copied with it; otherwise all
    records of the copy are sent again, to runs of its own.

    Returns the target and what was done, or "" if the storage is where it was.

    Raises InputError if the artifacts were not moved with the storage.
    """
    path, note = folder / TARGET_FILE, ""
    if path.is_file() and not target.storage:
        earlier = read_dataclass(TrackingTarget, path)
        target = replace(target, moved_from=earlier.moved_from, moved_before=earlier.moved_before)
        if not earlier.storage and _root(earlier) != _root(target):
            move = Move(old=_root(earlier), new=_root(target))
            target, note = _follow(move, folder, earlier, target)
    write_dataclass(path, target, mode=0o600)  # its URI may hold a password
    return target, note


def _follow(
    move: Move, folder: Path, earlier: TrackingTarget, target: TrackingTarget
) -> tuple[TrackingTarget, str]:
    is_same = _are_same(move.old, move.new)
    is_copy = Path(earlier.study).is_dir() and not is_same
    database = _database(target)
    is_inside = database is not None and move.new in database.parents
    move_paths(folder, move.apply)
    if is_copy and not is_inside:
        (folder / SENT).unlink(missing_ok=True)
        return replace(target, moved_from="", moved_before=()), (
            f"{move.new} is a copy of {move.old}, which still exists: its records are sent to "
            "MLflow again, to runs of its own"
        )
    _require_artifacts(move, is_inside=is_inside)
    if database is not None and database.is_file():
        move_artifacts(database, move.old, move.new)
    kind = "was moved from"
    if is_copy or is_same:
        kind = "is a copy of" if is_copy else "is the same folder as"
    target = replace(target, moved_from=earlier.study, moved_before=earlier.studies[1:])
    return target, f"{move.new} {kind} {move.old}: MLflow's records now point to {move.new}"


def _are_same(one: Path, other: Path) -> bool:
    """Return whether two folders are the same one, for example by a link or a second mount."""
    return one.exists() and other.exists() and one.samefile(other)


def _require_artifacts(move: Move, *, is_inside: bool) -> None:
    old, new = move.old / ARTIFACTS, move.new / ARTIFACTS
    if is_inside and old.is_dir() and not new.is_dir():
        raise InputError(
            f"a storage must be moved or copied with its folder {ARTIFACTS}",
            seen=f"{old} exists and {new} does not",
            remedy=f"move or copy {old} to {new}",
        )


def _root(target: TrackingTarget) -> Path:
    """Return the storage folder that a study was in: the one that holds the artifacts."""
    artifacts = Path(target.artifacts)
    parents = [path for path in (artifacts, *artifacts.parents) if path.name == ARTIFACTS]
    return parents[0].parent if parents else artifacts


def _database(target: TrackingTarget) -> Path | None:
    return Path(target.tracking_uri.removeprefix(SQLITE)) if target.is_local else None


def _moved_uri(uri: str, move: Move) -> str:
    return f"{SQLITE}{move.apply(uri.removeprefix(SQLITE))}" if uri.startswith(SQLITE) else uri
