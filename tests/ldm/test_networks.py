"""Importing the networks leaves alone what they do not need, and hides nothing afterwards."""

import subprocess
import sys

NOT_NEEDED = ("mlflow", "torchvision", "matplotlib", "pandas")


def run(code):
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_packages_that_monai_would_import_are_not_imported():
    run(f"import sys, ldm.networks; assert not {set(NOT_NEEDED)} & set(sys.modules)")


def test_they_can_be_imported_afterwards():
    run(f"import ldm.networks; import {', '.join(NOT_NEEDED)}; mlflow.MlflowClient; pandas.Series")


def test_a_package_that_was_imported_before_stays():
    run("import sys, pandas, ldm.networks; assert sys.modules['pandas'] is pandas")
