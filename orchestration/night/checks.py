"""Check everything that a night needs before it starts: the doctor's findings and the GPUs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ldm.config import Crop
from ldm.errors import InputError
from orchestration.cluster import local_resources
from orchestration.code_version import ROOT
from orchestration.night.config import NightlyConfig
from orchestration.night.sweep import shared_options, sweep_environment
from orchestration.preflight.findings import HARDWARE, MLFLOW, RAY, Finding
from orchestration.resolution import DEFAULT_TRIALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ailment:
    """Something that is missing.

    ``line`` says what is missing and how to get it. If it is ``needed``, the night starts nothing.
    """

    line: str
    needed: bool


def examine(config: NightlyConfig) -> Iterator[Ailment]:
    """Yield everything that a night with this configuration lacks.

    A night does not need MLflow: its records are kept, and a later sweep sends them. The hosts of a
    cluster are not checked here but by the job of the sweep. Raises InputError if ``pancreatune
    doctor``, which makes the checks, fails itself.
    """
    if not (config.cluster or config.address):
        yield from _too_few_gpus(config.gpus or 0)
    seen = set[str]()
    for crop in config.crops:
        for finding in _missed(config, crop):
            line = f"{finding.name}: {finding.seen}: {finding.remedy}"
            if line not in seen:
                yield Ailment(line=line, needed=finding.name != MLFLOW)
            seen.add(line)


def _too_few_gpus(n_expected: int) -> Iterator[Ailment]:
    _, n_gpus = local_resources()
    if n_gpus < n_expected:
        line = f"GPUs: this machine has {n_gpus}, the night needs {n_expected}: run nvidia-smi"
        yield Ailment(line=line, needed=True)


def _missed(config: NightlyConfig, crop: Crop) -> Iterator[Finding]:
    """Yield the doctor's findings of what is missing for one crop.

    Raises InputError if the doctor itself fails.
    """
    options = [f"--trials={config.trials or DEFAULT_TRIALS}", "--json"]
    options += ["--allow-phantom-weights"] if config.allow_phantom_weights else []
    line = [sys.executable, "-m", "pancreatune", "doctor", *shared_options(config, crop), *options]
    done = subprocess.run(
        line, cwd=ROOT, env=sweep_environment(config), capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise InputError(
            "`pancreatune doctor` must not fail", seen=f"it said: {done.stderr.strip()[-500:]}"
        )
    is_elsewhere = config.cluster is not None or config.address is not None
    for finding in (Finding(**fields) for fields in json.loads(done.stdout)):
        is_of_this_machine = finding.name in (HARDWARE, RAY) and is_elsewhere
        if not (finding.is_here or is_of_this_machine):
            yield finding
