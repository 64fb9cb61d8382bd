"""Read and check the ratings of a reader study: each reader rates each picture exactly once."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.panels import PLANES
from evaluation.readers.cases import CRITERIA, KEY_COLUMNS, RATINGS_COLUMNS, CaseKind, ReaderCase
from ldm.errors import InputError
from ldm.files.json_file import read_bytes

HIGHEST = len(CRITERIA) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """The ratings of all readers.

    Attributes
    ----------
    readers
        Names of the readers.
    cases
        The cases, in the order of the key.
    values
        Ratings from 0 to 5, shape (readers, cases, planes), with planes in the order of ``PLANES``.
    """

    readers: tuple[str, ...]
    cases: tuple[ReaderCase, ...]
    values: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rating:
    """One line of a ratings file whose values are valid by themselves."""

    reader: str
    case: str
    plane: str
    rating: int


def read_key(path: Path) -> tuple[ReaderCase, ...]:
    """Return the cases listed in key.csv.

    Raises
    ------
    InputError
        If the file lists no case, lists a case twice, or has a kind that is neither real nor
        synthetic.
    """
    cases = []
    for where, line in _lines(path, KEY_COLUMNS):
        if line["kind"] not in list(CaseKind):
            raise InputError(
                "a case is real or synthetic",
                seen=f"{where} has {line['kind']!r}",
                remedy="correct this line",
            )
        cases.append(ReaderCase(case=line["case"], kind=CaseKind(line["kind"]), file=line["file"]))
    names = [case.case for case in cases]
    if not names:
        raise InputError(
            "a key lists one case or more",
            seen=f"{path} lists none",
            remedy="prepare the cases again",
        )
    if len(set(names)) < len(names):
        raise InputError(
            "a key lists each case once",
            seen=f"{path} has {_twice(names)} twice",
            remedy="remove one of the lines",
        )
    return tuple(cases)


def read_ratings(paths: Sequence[Path], cases: Sequence[ReaderCase]) -> Ratings:
    """Return the ratings in all CSV files. A file may hold the ratings of several readers.

    A picture is one plane of one case.

    Raises
    ------
    InputError
        If a file cannot be read or has other columns, if there are no ratings at all, if a line has
        no reader, an unknown case or plane, or a rating that is not a whole number from 0 to 5, or
        if a reader rated a picture twice or not at all.
    """
    known = {case.case for case in cases}
    table: dict[tuple[str, str, str], int] = {}
    for path in paths:
        for where, line in _lines(path, RATINGS_COLUMNS):
            one = _check_line(where, line, known)
            entry = (one.reader, one.case, one.plane)
            if entry in table:
                raise InputError(
                    "a reader rates each picture once",
                    seen=f"{where} is the second rating by {one.reader} for {one.case} {one.plane}",
                    remedy="remove one of the two",
                )
            table[entry] = one.rating
    readers = tuple(dict.fromkeys(reader for reader, _, _ in table))
    if not readers:
        raise InputError(
            "a reader study needs at least one reader", seen="the files hold no ratings"
        )
    values = [
        [[_rating_of(table, reader, case.case, name) for name in PLANES] for case in cases]
        for reader in readers
    ]
    return Ratings(readers=readers, cases=tuple(cases), values=np.array(values, np.int64))


def _check_line(where: str, line: dict[str, str], known: set[str]) -> _Rating:
    if not line["reader"]:
        raise InputError(
            "each line names its reader", seen=f"{where} does not", remedy="add the name"
        )
    if line["case"] not in known:
        raise InputError(
            "a rated case must be one of the key",
            seen=f"{where} has {line['case']!r}",
            remedy="correct the case",
        )
    if line["plane"] not in PLANES:
        raise InputError(
            f"a plane is one of {', '.join(PLANES)}",
            seen=f"{where} has {line['plane']!r}",
            remedy="correct the plane",
        )
    if line["rating"] not in {str(rating) for rating in range(HIGHEST + 1)}:
        raise InputError(
            f"a rating is a whole number from 0 to {HIGHEST}",
            seen=f"{where} has {line['rating']!r} for {line['case']} {line['plane']}",
            remedy=f"ask {line['reader']}",
        )
    return _Rating(
        reader=line["reader"], case=line["case"], plane=line["plane"], rating=int(line["rating"])
    )


def _rating_of(table: dict[tuple[str, str, str], int], reader: str, case: str, name: str) -> int:
    if (reader, case, name) not in table:
        raise InputError(
            "each reader rates every picture",
            seen=f"{reader} has no rating of {case} {name}",
            remedy="ask for it",
        )
    return table[reader, case, name]


def _lines(path: Path, columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Return the lines of a CSV file, each with its place ("ratings.csv line 8") for messages.

    Commas and semicolons are accepted as separators, because spreadsheet programs in many countries
    write semicolons.

    Raises
    ------
    InputError
        If the file cannot be read, if its header differs from ``columns``, or if a line has too
        many or too few values.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
        return _parsed(path, text, columns)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as CSV ({error})", remedy="save it again"
        ) from error


def _parsed(path: Path, text: str, columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    rows = text.splitlines()
    delimiter = ";" if rows and rows[0].count(";") > rows[0].count(",") else ","
    reader = csv.DictReader(rows, delimiter=delimiter)
    if tuple(reader.fieldnames or ()) != columns:
        raise InputError(
            f"{path} must have the columns {', '.join(columns)}",
            seen=f"got {', '.join(reader.fieldnames or ()) or 'none'}",
            remedy="start from the file that `prepare` wrote",
        )
    lines = []
    for row in reader:
        where = f"{path} line {reader.line_num}"
        if None in row or None in row.values():
            raise InputError(
                f"each line has {len(columns)} values",
                seen=f"{where} does not",
                remedy="correct this line",
            )
        lines.append((where, {name: value.strip() for name, value in row.items()}))
    return lines


def _twice(names: Sequence[str]) -> str:
    return next(name for name in names if names.count(name) > 1)
