"""Ratings of a reader study, read and checked: every case, every plane, once by every reader."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.panels import PLANES
from evaluation.readers.cases import CRITERIA, KEY_COLUMNS, RATINGS_COLUMNS, Case, Kind
from ldm.errors import InputError
from ldm.files.json_file import read_bytes

HIGHEST = len(CRITERIA) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Whole numbers from 0 to 5, shape (readers, cases, planes), planes as in PLANES."""

    readers: tuple[str, ...]
    cases: tuple[Case, ...]
    values: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rating:
    """One line of a file, checked by itself."""

    reader: str
    case: str
    plane: str
    rating: int


def read_key(path: Path) -> tuple[Case, ...]:
    """The cases of key.csv; raises InputError for a case listed twice or of no known kind."""
    cases = []
    for where, line in _lines(path, KEY_COLUMNS):
        if line["kind"] not in list(Kind):
            raise InputError(f"a case is real or synthetic, {where} has {line['kind']!r}: mend it")
        cases.append(Case(case=line["case"], kind=Kind(line["kind"]), file=line["file"]))
    names = [case.case for case in cases]
    if not names:
        raise InputError(f"a key has one case or more, {path} has none: prepare the cases again")
    if len(set(names)) < len(names):
        raise InputError(f"a key has each case once, {path} has {_twice(names)} twice: mend it")
    return tuple(cases)


def read_ratings(paths: Sequence[Path], cases: Sequence[Case]) -> Ratings:
    """The ratings of all readers; several may share a file.

    Raises InputError for a rating that is no whole number from 0 to 5, for an unknown case or
    plane, and for a case and plane that a reader rated twice or not at all.
    """
    known = {case.case for case in cases}
    table: dict[tuple[str, str, str], int] = {}
    for path in paths:
        for where, line in _lines(path, RATINGS_COLUMNS):
            one = _check_line(where, line, known)
            entry = (one.reader, one.case, one.plane)
            if entry in table:
                raise InputError(
                    f"a reader rates a picture once, {where} is the second of {one.reader} for "
                    f"{one.case} {one.plane}: remove one"
                )
            table[entry] = one.rating
    readers = tuple(dict.fromkeys(reader for reader, _, _ in table))
    if not readers:
        raise InputError("a study takes one reader or more, the files hold no ratings")
    values = [
        [[_rating_of(table, reader, case.case, name) for name in PLANES] for case in cases]
        for reader in readers
    ]
    return Ratings(readers=readers, cases=tuple(cases), values=np.array(values, np.int64))


def _check_line(where: str, line: dict[str, str], known: set[str]) -> _Rating:
    if not line["reader"]:
        raise InputError(f"each line names its reader, {where} does not: write the name")
    if line["case"] not in known:
        raise InputError(f"a rated case is one of the key, {where} has {line['case']!r}: mend it")
    if line["plane"] not in PLANES:
        raise InputError(f"a plane is {', '.join(PLANES)}, {where} has {line['plane']!r}: mend it")
    if line["rating"] not in {str(rating) for rating in range(HIGHEST + 1)}:
        raise InputError(
            f"a rating is a whole number from 0 to {HIGHEST}, {where} has {line['rating']!r} for "
            f"{line['case']} {line['plane']}: ask {line['reader']}"
        )
    return _Rating(
        reader=line["reader"], case=line["case"], plane=line["plane"], rating=int(line["rating"])
    )


def _rating_of(table: dict[tuple[str, str, str], int], reader: str, case: str, name: str) -> int:
    if (reader, case, name) not in table:
        raise InputError(
            f"each reader rates every picture, {reader} has no rating of {case} {name}: ask for it"
        )
    return table[reader, case, name]


def _lines(path: Path, columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Each line with where it stands; raises InputError for another header or a torn line.

    Spreadsheets in many countries write semicolons: both are read.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
        return _parsed(path, text, columns)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV ({error}): save it again") from error


def _parsed(path: Path, text: str, columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    rows = text.splitlines()
    delimiter = ";" if rows and rows[0].count(";") > rows[0].count(",") else ","
    reader = csv.DictReader(rows, delimiter=delimiter)
    if tuple(reader.fieldnames or ()) != columns:
        raise InputError(
            f"{path} has the columns {', '.join(columns)}, got "
            f"{', '.join(reader.fieldnames or ()) or 'none'}: start from the file that was given"
        )
    lines = []
    for row in reader:
        where = f"{path} line {reader.line_num}"
        if None in row or None in row.values():
            raise InputError(f"a line has {len(columns)} values, {where} has not: mend it")
        lines.append((where, {name: value.strip() for name, value in row.items()}))
    return lines


def _twice(names: Sequence[str]) -> str:
    return next(name for name in names if names.count(name) > 1)
