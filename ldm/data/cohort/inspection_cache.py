"""What was found in a scan, remembered until its files change: a cohort is read in full once."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from ldm.data.cohort.case import Case
from ldm.data.cohort.inspection import Findings
from ldm.data.cohort.pseudonyms import pseudonym, read_salt
from ldm.files.dataclass_json import from_dict, to_dict
from ldm.files.json_lines import read_whole_lines
from ldm.fingerprints import digest

INSPECTION_VERSION = 2  # raise it whenever other scans are refused, or other things found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One scan, by a signature of its files, and what was found: findings or a reason."""

    signature: str
    findings: Findings | None
    reason: str | None


class InspectionCache:
    """A file of what was found in the scans of one folder, one line a scan, added as they come.

    A scan is known by path, size and time of change of its files, as make knows them.
    """

    def __init__(self, cache: Path, cohort: Path) -> None:
        self._salt = read_salt(cache / "inspections" / "salt")
        name = digest(f"{INSPECTION_VERSION} {cohort.resolve()}")
        self._path = cache / "inspections" / f"{name}.jsonl"
        entries = [from_dict(_Entry, plain) for plain in read_whole_lines(self._path)]
        self._found = {entry.signature: entry for entry in entries}

    def get(self, case: Case) -> Findings | str | None:
        """Findings or a reason, or None for a scan that is new or has changed."""
        entry = self._found.get(_signature(case))
        return None if entry is None else entry.findings or entry.reason

    def put(self, case: Case, found: Findings | str) -> Findings | str:
        """Remember what was found, on disk when this returns; what ``get`` will return.

        The patient's key is salted: who reads the file cannot try identifiers.
        """
        if isinstance(found, Findings) and found.patient is not None:
            found = replace(found, patient=pseudonym(self._salt, found.patient))
        entry = _Entry(
            signature=_signature(case),
            findings=None if isinstance(found, str) else found,
            reason=found if isinstance(found, str) else None,
        )
        self._found[entry.signature] = entry
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as stream:
            stream.write(json.dumps(to_dict(entry)) + "\n")
        return found


def _signature(case: Case) -> str:
    """Changes whenever a file of the case does; for a missing file too."""
    parts = [case.case_id]
    for path in (case.image, case.mask):
        if path is not None:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            parts += [_state(file) for file in files]
    return digest("|".join(parts))


def _state(file: Path) -> str:
    try:
        status = file.stat()
    except OSError as error:
        return f"{file} {error.errno}"
    return f"{file} {status.st_size} {status.st_mtime_ns}"
