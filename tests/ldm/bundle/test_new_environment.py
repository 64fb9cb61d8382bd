"""The commands of the model card work in an environment that has only what they install.

pip installs torch and MONAI anew, which takes minutes and about 7 GB of disk. The environment is
removed afterwards.
"""

import json
import os
import subprocess
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import pytest

from ldm.config import Objective
from tests.support.repository import ROOT
from tests.support.small_bundle import (
    GRID_VOXELS,
    commands,
    export,
    lively_network,
    tiny_trial,
    write_trial,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder, config = tmp_path_factory.mktemp("exported"), tiny_trial(Objective.RECTIFIED_FLOW)
    write_trial(folder / "trial", config, lively_network(config))
    code, shown = export(folder / "trial", folder / "bundle")
    assert code == 0, shown
    return folder / "bundle"


@pytest.fixture(scope="module")
def shell(bundle):
    """Run a command of a shell in a new environment, after the first command of the card."""
    with TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        outside = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        path = f"{Path(folder) / 'bin'}{os.pathsep}{outside['PATH']}"

        def run(command, cwd):
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=cwd,
                env={**outside, "PATH": path, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-3000:]
            return done.stdout

        run(commands(bundle)[0], bundle)
        yield run


def test_the_card_has_one_command_to_install_and_one_to_sample(bundle, shell):
    _, sample = commands(bundle)
    shell(sample, bundle)
    images = [nib.load(path) for path in sorted((bundle / "samples").iterdir())]
    assert [image.shape for image in images] == [GRID_VOXELS] * 2


def test_a_bundle_is_sampled_from_a_folder_with_a_package_scripts(bundle, shell, tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "__init__.py").write_text("raise RuntimeError")
    inference = bundle / "configs" / "inference.json"
    shell(f"python -m monai.bundle run --config_file {inference} --output_dir out", tmp_path)
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize("name", ["training", "sampling"])
def test_benchmarks_run_without_the_packages_that_they_do_not_claim(shell, tmp_path, name):
    shell("python -m pip uninstall --yes fire nibabel", tmp_path)
    shown = shell(f"PYTHONPATH={ROOT} python {ROOT}/benchmarks/{name}.py --quick", tmp_path)
    assert len([json.loads(line)["name"] for line in shown.splitlines()]) >= 2
