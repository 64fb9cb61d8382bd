"""Store what was found in each scan, so that it is read again only if its files change."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from ldm.data.cohort.case import Case
from ldm.data.cohort.inspection import Findings
from ldm.data.cohort.pseudonyms import pseudonym, read_salt
from ldm.files.dataclass_json import from_dict, to_dict
from ldm.files.json_lines import read_complete_lines
from ldm.fingerprints import digest

INSPECTION_VERSION = 7  # raise it whenever the same files would give other findings or reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One line of the cache's file: the signature of a scan's files, and what was found in them.

    Either ``findings`` or ``reason`` is None.
    """

    signature: str
    findings: Findings | None
    reason: str | None


class InspectionCache:
    """A file in the folder ``cache`` with what was found in the scans of the folder ``cohort``.

    It has one line for each inspected scan. As in ``make``, a scan counts as unchanged while the
    paths, sizes and modification times of its files stay the same.
    """

    def __init__(self, cache: Path, cohort: Path) -> None:
        self._salt = read_salt(cache / "inspections" / "salt")
        name = digest(f"{INSPECTION_VERSION} {cohort.resolve()}")
        self._path = cache / "inspections" / f"{name}.jsonl"
        entries = [from_dict(_Entry, plain) for plain in read_complete_lines(self._path)]
        self._found = {entry.signature: entry for entry in entries}

    def get(self, case: Case) -> Findings | str | None:
        """Return the stored findings, or the stored reason why the scan cannot be used.

        None if the scan is new or its files have changed.
        """
        entry = self._found.get(_signature(case))
        return None if entry is None else entry.findings or entry.reason

    def put(self, case: Case, found: Findings | str) -> Findings | str:
        """Store what was found in a scan, and return it as ``get`` will return it.

        The keys of patient and study are replaced by salted hashes first, so that nobody can use
        the file to check whether it holds a given patient.
        """
        if isinstance(found, Findings) and found.patient is not None and found.study is not None:
            patient, study = (pseudonym(self._salt, key) for key in (found.patient, found.study))
            found = replace(found, patient=patient, study=study)
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
    """Return a hash that changes if a file of the case changes, appears or disappears."""
    parts = [case.case_id, f"{case.labels} {case.labels.is_given}"]
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
