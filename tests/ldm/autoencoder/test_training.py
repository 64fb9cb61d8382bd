"""The command line of the autoencoder's training: help, a short training, and errors."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ldm.autoencoder.training import app
from tests.support.repository import ROOT


def run_command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ldm.autoencoder.training", *map(str, arguments)],
        cwd=ROOT,
        timeout=250,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120", "OMP_NUM_THREADS": "1"},
    )


def run_here(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def refusal(*arguments):
    done = run_here(*arguments)
    assert done.exit_code == 2, done.output
    return done.stderr


def test_help_gives_examples_without_loading_torch():
    done = run_command("--help")
    assert done.stdout.count("python -m ldm.autoencoder.training") >= 2
    code = "import sys, ldm.autoencoder.training; print('torch' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "False"


@pytest.fixture(scope="module")
def trained(phantom_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "autoencoder"
    command = ("--data", phantom_folder, "--crop", "pancreas", "--steps", 2, "--to", folder)
    return folder, command, run_command(*command)


def test_a_short_training_writes_weights_and_reports_their_quality(trained):
    folder, _, done = trained
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PHANTOM RUN")
    assert "step 2 of 2" in done.stdout
    assert "pancreas: mean absolute error" in done.stdout
    assert (folder / "autoencoder.safetensors").is_file()


def test_with_hashes_no_scan_is_named(phantom_folder, tmp_path):
    folder = tmp_path / "autoencoder"
    options = ("--crop", "pancreas", "--steps", 2, "--to", folder, "--hash-cases")
    done = run_here("--data", phantom_folder, *options)
    assert done.exit_code == 0, done.output
    case = next((phantom_folder / "imagesTr").iterdir()).name.removesuffix(".nii.gz")
    made = [path for path in folder.rglob("*") if path.is_file()]
    assert len([path for path in made if path.suffix == ".npy"]) >= 4
    assert case not in done.output
    assert not [path for path in made if case in path.name or case.encode() in path.read_bytes()]


def test_the_same_command_has_nothing_left_to_do(trained):
    folder, command, first = trained
    before = (folder / "autoencoder.safetensors").stat().st_mtime_ns
    again = run_here(*command)
    assert again.exit_code == 0, again.output
    assert again.stdout.splitlines()[-2:] == first.stdout.splitlines()[-2:]
    assert (folder / "autoencoder.safetensors").stat().st_mtime_ns == before


def test_other_options_in_the_same_folder_are_refused_naming_them(trained):
    error = refusal(*trained[1], "--seed", 1)
    assert "seed 0 instead of 1" in error
    assert "--to" in error


def test_the_semi_body_of_real_scans_is_refused_naming_the_command_that_can(folder, tmp_path):
    error = refusal("--data", folder, "--to", tmp_path / "to")
    assert "pancreatune train-autoencoder" in error


def test_a_missing_perceptual_network_is_named(folder, tmp_path):
    options = ("--recipe", "full", "--crop", "pancreas", "--perceptual", tmp_path / "resnet.pth")
    error = refusal("--data", folder, "--to", tmp_path / "to", *options)
    assert "resnet.pth" in error


def test_a_recipe_without_a_perceptual_part_says_so(folder, tmp_path):
    network = tmp_path / "resnet.pth"
    network.touch()
    error = refusal("--data", folder, "--to", tmp_path / "to", "--perceptual", network)
    assert "recipe demo has no perceptual loss" in error
