"""Write the scores of a folder of volumes as CSV and JSON."""

import json
from collections.abc import Sequence
from pathlib import Path

from evaluation.measurement import Measurement
from evaluation.tables import write_table
from ldm.files.dataclass_json import to_dict

COLUMNS = ("score", "unit", "better", "value", "low", "high", "n", "normalized")
ANCHOR_COLUMNS = ("value", "low", "high", "n")


def write_scores(folder: Path, measurements: Sequence[Measurement]) -> None:
    """Write ``scores.csv``, with one row per score, and ``scores.json`` to a folder.

    Both hold the same numbers. Missing folders are made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    anchors = [f"{anchor}_{name}" for anchor in ("real", "nonsense") for name in ANCHOR_COLUMNS]
    write_table(folder / "scores.csv", [*COLUMNS, *anchors], map(_row, measurements))
    plain = [to_dict(one) | {"normalized": one.normalized} for one in measurements]
    (folder / "scores.json").write_text(json.dumps(plain, indent=1))


def _row(one: Measurement) -> list[str | float | int | None]:
    floor = one.nonsense
    return [
        *(one.name, one.unit, str(one.better)),
        *(one.score.value, one.score.low, one.score.high, one.score.n, one.normalized),
        *(one.real.value, one.real.low, one.real.high, one.real.n),
        *((floor.value, floor.low, floor.high, floor.n) if floor else (None,) * 4),
    ]
