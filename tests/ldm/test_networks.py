"""Importing the networks leaves alone what they do not need, and hides nothing afterwards."""

import subprocess
import sys

# One process, for each takes seconds to import torch: before, during, after.
CODE = """
import sys
import pandas
before = pandas
import ldm.networks
found = {"mlflow", "torchvision", "matplotlib"} & set(sys.modules)
assert not found, f"imported without need: {found}"
assert sys.modules["pandas"] is before, "a package that was imported before is another one now"
import mlflow, torchvision, matplotlib
mlflow.MlflowClient, torchvision.ops, matplotlib.colors, pandas.Series
"""


def test_importing_them_imports_nothing_more_and_hides_nothing():
    done = subprocess.run(
        [sys.executable, "-c", CODE], timeout=240, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
