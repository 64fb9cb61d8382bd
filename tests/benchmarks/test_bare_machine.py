"""Some benchmarks run where only torch, MONAI and safetensors are installed."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.repository import ROOT

ABSENT = (
    *("matplotlib", "mlflow", "nibabel", "nnunetv2", "optuna", "pandas", "PIL", "ray"),
    *("rich", "scipy", "SimpleITK", "totalsegmentator", "typer"),
)
BARE_MACHINE = f"import sys\nsys.modules.update(dict.fromkeys({ABSENT}))\n"


def on_a_bare_machine(folder, *arguments):
    """Run Python in a process in which only a few packages can be imported."""
    (folder / "sitecustomize.py").write_text(BARE_MACHINE)
    paths = (folder, ROOT, ROOT / "benchmarks")
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )


def test_the_benchmarks_import_only_what_a_bare_machine_has(tmp_path):
    done = on_a_bare_machine(tmp_path, "-c", "import loss_parity, sampling, training; print('yes')")
    assert done.stdout == "yes\n", done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["training", "sampling", "loss_parity"])
def test_the_benchmarks_print_rows_and_nothing_else(tmp_path, name):
    done = on_a_bare_machine(tmp_path, ROOT / "benchmarks" / f"{name}.py", "--quick")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) >= 2
    assert all(row["value"] > 0 and row["machine"] for row in rows)
