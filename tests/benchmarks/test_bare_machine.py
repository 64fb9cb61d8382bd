"""Some benchmarks run where only torch, MONAI, einops and safetensors are installed."""

import json

import pytest

from tests.support.bare_machine import on_a_bare_machine
from tests.support.repository import ROOT

CLAIMED = ("torch", "monai", "einops", "safetensors")
MAKE_NETWORKS = """
import loss_parity, sampling, training
from ldm.autoencoder.model import build_autoencoder
from ldm.config import Crop
from ldm.diffusion.denoiser import build_denoiser
from ldm.recipes import demo
config = demo(Crop.PANCREAS)
build_autoencoder(config.autoencoder)
build_denoiser(config.denoiser, config.latent_shape[0])  # MONAI imports einops only here
print("yes")
"""


def run(folder, *arguments):
    return on_a_bare_machine(
        folder / "site",
        *arguments,
        requirements=CLAIMED,
        cwd=folder,
        paths=(ROOT, ROOT / "benchmarks"),
    )


def test_the_benchmarks_need_only_the_packages_that_they_claim(tmp_path):
    done = run(tmp_path, "-c", MAKE_NETWORKS)
    assert done.stdout == "yes\n", done.stderr


@pytest.mark.parametrize(
    "path", ["benchmarks/sampling.py", "benchmarks/training.py", "CONTRIBUTING.md"]
)
def test_the_claim_names_all_of_these_packages(path):
    assert "torch, monai, einops and safetensors" in (ROOT / path).read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["training", "sampling", "loss_parity"])
def test_the_benchmarks_print_rows_and_nothing_else(tmp_path, name):
    done = run(tmp_path, ROOT / "benchmarks" / f"{name}.py", "--quick")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) >= 2
    assert all(row["value"] >= 0 and row["machine"] for row in rows)
