"""Make the page ``docs/objectives.md`` from the results of ``objectives.py``.

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
# Training objectives and whitening, compared on phantoms

A denoiser can be trained to predict different things: the noise (`epsilon`), a mix of noise and
clean latent (`v`), or the direction between noise and clean latent (`rectified_flow`). Its latents
can be whitened by one scale for all channels (`scalar`), or by a mean and a scale per channel
(`channel`). This page compares all combinations, at two initial learning rates.

The tables show the histogram distance in HU between 8 samples and the held-out phantoms, over the
whole grid. Lower is better. Each cell has the mean over {n_seeds} seeds and its 95 % interval
(Student's t). All trainings have the size and the schedule of the recipe `demo`: 32 epochs on 40
phantoms. If trainings did not learn, that is, if their loss stayed at that of predicting zero
everywhere, the cell says how many.

The large distances of `epsilon` come from the short training. At the last step of the noise
schedule, sqrt(alpha_bar) is 0.0119, so an error in the predicted noise is multiplied by 84 in the
clean latent. After a short training, this error is still large.

The phantoms are generated, so the results are only a first guide for real scans.
`python benchmarks/objectives.py` measured them on {machine}, and
`python benchmarks/objectives_table.py` made this page from `benchmarks/results/objectives.jsonl`.
"""


def rows(path: Path = RESULTS) -> list[dict[str, Any]]:
    """Return all rows of the results, of trainings and of settings."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def cell(summary: dict[str, Any]) -> str:
    """Return the table cell of a setting: mean, interval, and trainings that did not learn."""
    stalled = f", {summary['n_stalled']} did not learn" if summary["n_stalled"] else ""
    value, low, high = (summary[k] for k in ("histogram_distance_hu", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f}){stalled}"


def table(summaries: dict[tuple[str, ...], dict[str, Any]], crop: str) -> str:
    """Return the table of a crop, with a row per objective and whitening, and a column per rate."""
    settings = [key[1:] for key in summaries if key[0] == crop]
    rates = sorted({rate for _, _, rate in settings}, key=float)
    lines = [
        f"| {crop} | whitening | {' | '.join(f'rate {float(rate):g}' for rate in rates)} |",
        "|---" * (2 + len(rates)) + "|",
    ]
    for objective, whitening in dict.fromkeys((o, w) for o, w, _ in settings):
        cells = [cell(summaries[crop, objective, whitening, rate]) for rate in rates]
        lines.append(f"| {NAMES[objective]} | {whitening} | {' | '.join(cells)} |")
    return "\n".join(lines)


def document() -> str:
    """Return the whole page."""
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
