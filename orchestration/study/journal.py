"""Mend the journal of a study before Optuna reads it, or say which line is damaged.

The journal has one JSON object a line. Network file systems and full disks leave blank lines, two
objects in one line, lines of NUL bytes, and a half line at the end. Optuna stops at the first such
line, only after Ray has started, and does not say where it is.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from ldm.errors import InputError
from ldm.files.atomic_write import atomic_write
from ldm.files.json_lines import json_texts
from orchestration.storage.sharing import SHARED_FOLDER, Sharing

JOURNAL_FILE = "optuna.journal"
OPTUNA_LOCK = "optuna.journal.lock"  # a link, which Optuna makes while it writes
N_SHOWN = 5
REMEDY = (
    "restore the file from a backup, or rename it: all trials are kept, but Optuna starts to learn "
    "from nothing"
)


def mend_journal(folder: Path, sharing: Sharing = SHARED_FOLDER) -> str:
    """Mend the journal of a study in place. Returns what was mended, or "" if nothing was.

    ``folder`` is the folder of the study. No other process may write to the study meanwhile.

    Blank lines are removed, and objects that share a line are put on lines of their own. An
    incomplete end, which was never confirmed to Optuna, is removed. If anything is mended, the file
    as it was is kept beside it. Raises InputError, which names the line, if a line before the end
    holds anything else, because the records after it would then belong to other trials.
    """
    (folder / OPTUNA_LOCK).unlink(missing_ok=True)  # of a killed sweep; Optuna would wait for it
    path = folder / JOURNAL_FILE
    content = path.read_bytes() if path.is_file() else b""
    lines, faults = _mended(content, path)
    if not faults:
        return ""
    kept = next(one for one in _names(path) if not one.exists())
    kept.write_bytes(content)
    with atomic_write(path) as file:
        file.write_bytes(b"".join(line + b"\n" for line in lines))
    sharing.push(kept, path)
    more = [f"and {len(faults) - N_SHOWN} more"] if len(faults) > N_SHOWN else []
    shown = ", ".join([*faults[:N_SHOWN], *more])
    return f"mended {path}: {shown}; the file as it was is {kept.name}"


def journal_error(path: Path, n_line: int, seen: str) -> InputError:
    """Return the error for a line of a journal that cannot be mended. Lines count from 1."""
    return InputError(
        "each line must be a record of Optuna",
        seen=f"line {n_line} {seen}",
        place=path,
        remedy=REMEDY,
    )


def damaged_line(path: Path) -> InputError:
    """Return the error for the first damaged line of a journal, mendable or not."""
    for n_line, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if len(_records(line)) != 1:
            return journal_error(path, n_line, "is damaged")
    return journal_error(path, 0, "is not known")


def _mended(content: bytes, path: Path) -> tuple[list[bytes], list[str]]:
    """Return the lines of a mended journal, and what was wrong with it."""
    mended: list[bytes] = []
    faults: list[str] = []
    *lines, end = content.split(b"\n")
    for n_line, line in enumerate(lines, 1):
        records = _records(line)
        if not records and not line.strip():
            faults.append(f"line {n_line} was blank")
        elif not records:
            is_last = n_line == len(lines) and not end
            if not (is_last and _is_nul(line)):
                raise journal_error(path, n_line, _described(line))
            faults.append(f"line {n_line}, the last one, had only NUL bytes")
        elif len(records) > 1:
            faults.append(f"line {n_line} had {len(records)} records")
        mended += records
    if end:
        mended += (records := _records(end))
        faults.append(f"the last line {'was not ended' if records else 'was incomplete'}")
    return mended, faults


def _records(line: bytes) -> list[bytes]:
    """Return the records in a line. Empty if it is blank or anything in it is not a record."""
    try:
        texts = json_texts(line.decode())
    except ValueError:
        return []
    is_record = [_is_record(json.loads(text)) for text in texts]
    return [text.encode() for text in texts] if all(is_record) else []


def _is_record(value: object) -> bool:
    return isinstance(value, dict) and "op_code" in value


def _described(line: bytes) -> str:
    return "has only NUL bytes" if _is_nul(line) else f"is {line[:60]!r}, {len(line)} bytes long"


def _is_nul(line: bytes) -> bool:
    return bool(line) and not line.strip(b"\0")


def _names(path: Path) -> Iterator[Path]:
    n = 1
    while True:
        yield path.with_name(f"{path.name}.damaged-{n}")
        n += 1
