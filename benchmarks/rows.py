"""The output of benchmarks: one JSON object per line, and nothing else on standard output."""

import json
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement.

    Attributes
    ----------
    name
        What was measured.
    value
        The measured value.
    unit
        Its unit.
    baseline
        The value to compare with, measured in the same run; None without one.
    ratio
        ``value`` over ``baseline``; None without a baseline.
    goal
        The limit for the ratio, or for the value if there is no baseline; None without a goal.
    holds
        Whether the goal is met; None without a goal.
    machine
        The machine that it ran on.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    goal: str | None
    holds: bool | None
    machine: str


def row(
    name: str,
    value: float,
    *,
    unit: str,
    baseline: float | None = None,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Row:
    """Return a row for this machine, with at most one of the two limits as its goal."""
    ratio = None if baseline is None else value / baseline
    judged, subject = (value, unit) if ratio is None else (ratio, "ratio")
    goal, holds = None, None
    if at_most is not None:
        goal, holds = f"{subject} <= {at_most:g}", judged <= at_most
    elif at_least is not None:
        goal, holds = f"{subject} >= {at_least:g}", judged >= at_least
    return Row(
        name=name,
        value=_rounded(value),
        unit=unit,
        baseline=None if baseline is None else _rounded(baseline),
        ratio=None if ratio is None else _rounded(ratio),
        goal=goal,
        holds=holds,
        machine=machine(),
    )


def print_row(measured: Row) -> None:
    """Print a row as one line of JSON, without buffering."""
    print(json.dumps(asdict(measured)), flush=True)


@cache
def machine() -> str:
    """Describe this machine: its GPU if there is one, its CPU, and the cores available to us."""
    model = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    )
    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    return f"{gpu}{model}, {len(os.sched_getaffinity(0))} cores"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
