"""The rows of objectives.py as the tables that people read.

python benchmarks/objectives_table.py > docs/objectives.md
"""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "objectives.jsonl"
NAMES = {
    "epsilon": "epsilon (Ho 2020)",
    "v": "v (Salimans 2022)",
    "rectified_flow": "rectified flow (Liu 2022)",
}
INTRODUCTION = """\
# What a denoiser should learn, and how its latents should be whitened

Histogram distance in HU over the whole grid (lower is better) of 8 samples from the held-out
phantoms: the mean over {n_seeds} seeds and its 95 % interval (Student's t). Trainings of the demo's
size and schedule: 32 epochs on 40 phantoms, from two starting learning rates. Where a training
stood still (its loss at that of always predicting 0), a note says how often.

Made by `python benchmarks/objectives_table.py` from `benchmarks/results/objectives.jsonl`, those by
`python benchmarks/objectives.py` on {machine}. Phantoms, not patients: a lead for real scans.
"""


def rows(path: Path = RESULTS) -> list[dict[str, Any]]:
    """All rows, trainings and settings."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def cell(summary: dict[str, Any]) -> str:
    """Mean and interval of one setting."""
    stalled = f", {summary['n_stalled']} stood still" if summary["n_stalled"] else ""
    value, low, high = (summary[k] for k in ("histogram_distance_hu", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f}){stalled}"


def table(summaries: dict[tuple[str, ...], dict[str, Any]], crop: str) -> str:
    """A row an objective and whitening, a column a learning rate."""
    settings = [key[1:] for key in summaries if key[0] == crop]
    rates = sorted({rate for _, _, rate in settings}, key=float)
    lines = [
        f"| {crop} | whitening | {' | '.join(f'from {float(rate):g}' for rate in rates)} |",
        "|---" * (2 + len(rates)) + "|",
    ]
    for objective, whitening in dict.fromkeys((o, w) for o, w, _ in settings):
        cells = [cell(summaries[crop, objective, whitening, rate]) for rate in rates]
        lines.append(f"| {NAMES[objective]} | {whitening} | {' | '.join(cells)} |")
    return "\n".join(lines)


def document() -> str:
    """The whole page."""
    found = rows()
    summaries = {}
    for row in found:
        _, *key = row["name"].removesuffix(".mean").split(".", 4)
        if row["name"].endswith(".mean"):
            summaries[tuple(key)] = row
    machines = {row["machine"] for row in found if "machine" in row}
    n_seeds = {row["n_seeds"] for row in summaries.values()}
    parts = [
        INTRODUCTION.format(n_seeds=min(n_seeds), machine=", ".join(sorted(machines))),
        *(table(summaries, crop) for crop in dict.fromkeys(key[0] for key in summaries)),
    ]
    return "\n".join(f"{part.rstrip()}\n" for part in parts)


if __name__ == "__main__":
    print(document(), end="")
