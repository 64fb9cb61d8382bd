"""A bundle samples what its trial samples, where there is no pancreatune and no network."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_training import WHITENING, tiny_config
from torch import nn
from typer.testing import CliRunner

from ldm.autoencoder import build_autoencoder, load_autoencoder
from ldm.checkpoint import Sampler, save_sampler
from ldm.config import (
    FITTING_METHODS,
    Objective,
    SamplingConfig,
    SamplingMethod,
    Whitening,
    to_dict,
)
from ldm.data.latent_statistics import LatentStatistics
from ldm.data.latents import WhiteningStatistics
from ldm.data.store import STORE_VERSION, StoreManifest
from ldm.data.volume import Volume, write_volume
from ldm.denoiser import build_denoiser
from ldm.export import app
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER
from ldm.sample import decode_to_hu, sample_latents

CPU = torch.device("cpu")
GRID_VOXELS = (32, 16, 48)
AFFINE = np.diag([2.0, 2.5, 3.0, 1.0])
AFFINE[:3, 3] = (-31.0, -18.75, -70.5)
SCORE = {"value": 17.68, "low": 15.94, "high": 19.05, "n": 8}
OUR_PACKAGES = ("ldm", "evaluation", "orchestration", "search_spaces", "tune")
OPTIONAL_PACKAGES = ("ray", "mlflow", "optuna", "pandas", "matplotlib", "ignite", "torchvision")
# Python runs it at its start: what a machine with nothing but torch and MONAI looks like.
BARE_MACHINE = f"""
import socket, sys
def refuse(*_, **__):
    raise OSError("there is no network")
socket.socket.connect = socket.getaddrinfo = refuse
sys.modules.update(dict.fromkeys({(*OUR_PACKAGES, *OPTIONAL_PACKAGES)}))
"""


class Contracts(nn.Module):
    """A predictor that depends on noise and time."""

    def forward(self, noisy, time):
        return noisy * (0.2 + time.view(-1, 1, 1, 1, 1) / 2000)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def tiny_trial(objective, whitening=Whitening.CHANNEL, method=SamplingMethod.AUTO):
    """The configuration of a trial with a tiny network, two samples in a few steps."""
    config = tiny_config(objective=objective, whitening=whitening)
    n_steps = 1000 if method is SamplingMethod.DDPM else 3
    return dataclasses.replace(
        config,
        image=dataclasses.replace(config.image, grid_voxels=GRID_VOXELS),
        sampling=SamplingConfig(n_samples=2, n_steps=n_steps, method=method, seed=7),
    )


def lively_network(config):
    """Weights that make the output depend on everything; fresh ones give 0."""
    network = build_denoiser(config.denoiser, config.latent_shape[0])
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.1, generator=generator)
    return network.eval()


def ours(network, config):
    """The whitened latents that an evaluation samples."""
    return sample_latents(
        network,
        shape=config.latent_shape,
        objective=config.training.objective,
        sampling=config.sampling,
        device=CPU,
    )


def whitening_of(latents, kind):
    """Statistics with which latents are decoded to HU inside the window."""
    mean, std = {
        Whitening.CHANNEL: ((0.43, 0.03, 0.06, 0.07), (0.29, 0.23, 0.44, 0.52)),
        Whitening.SCALAR: ((0.0,) * 4, (0.4,) * 4),
    }[kind]
    return WhiteningStatistics(mean=mean, std=tuple(s / float(latents.std()) for s in std))


def write_trial(folder, config, network, whitening=WHITENING):
    """A trial's folder with one epoch in it."""
    weights = dict(network.state_dict())
    epoch = folder / "epoch_0004"
    save_sampler(epoch, Sampler(config=config, whitening=whitening, epoch=4, weights=weights))
    empty = np.zeros(config.image.grid_voxels, np.float32)
    write_volume(epoch / "samples" / "sample_00.nii.gz", Volume(array=empty, affine=AFFINE))


def export(run, to, *options):
    done = CliRunner().invoke(app, [str(run), "--to", str(to), *map(str, options)])
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture
def trial(tmp_path):
    folder = tmp_path / "storage" / "study" / "trials" / "1a2b"
    config = tiny_trial(Objective.RECTIFIED_FLOW)
    write_trial(folder, config, lively_network(config))
    return folder


@pytest.fixture
def bundle(trial, tmp_path):
    code, shown = export(trial, tmp_path / "bundle")
    assert code == 0, shown
    return tmp_path / "bundle"


def read_json(bundle, name):
    return json.loads((bundle / "configs" / name).read_text())


def on_a_bare_machine(*arguments, cwd):
    """A Python process in another folder, where pancreatune cannot be imported."""
    site = cwd / "site"
    site.mkdir(parents=True)
    (site / "sitecustomize.py").write_text(BARE_MACHINE)
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


def test_a_bare_machine_cannot_import_pancreatune(tmp_path):
    done = on_a_bare_machine("-c", "import ldm.sample", cwd=tmp_path / "elsewhere")
    assert "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize(
    ("objective", "whitening"),
    [
        (Objective.RECTIFIED_FLOW, Whitening.CHANNEL),
        (Objective.EPSILON, Whitening.SCALAR),
    ],
)
def test_monai_alone_samples_what_the_trial_samples(tmp_path, objective, whitening):
    config = tiny_trial(objective, whitening)
    network = lively_network(config)
    latents = ours(network, config)
    statistics = whitening_of(latents, whitening)
    write_trial(tmp_path / "trial", config, network, statistics)
    autoencoder = load_autoencoder(config.autoencoder, PHANTOM_AUTOENCODER, CPU)
    expected = decode_to_hu(autoencoder, latents, statistics, CPU)
    assert expected.std() > 20
    assert (np.abs(expected) < 1000).mean() > 0.5

    assert export(tmp_path / "trial", tmp_path / "bundle")[0] == 0
    inference = tmp_path / "bundle" / "configs" / "inference.json"
    done = on_a_bare_machine(
        *("-m", "monai.bundle", "run", "--config_file", inference, "--output_dir", "out"),
        cwd=tmp_path / "elsewhere",
    )
    assert done.returncode == 0, done.stderr
    for index, hu in enumerate(expected):
        image = nib.load(tmp_path / "elsewhere" / "out" / f"sample_{index:02d}.nii.gz")
        np.testing.assert_allclose(image.get_fdata(), hu, atol=1)
        assert (image.get_fdata() == np.rint(hu)).mean() > 0.99
        np.testing.assert_allclose(image.affine, AFFINE)
        assert image.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize(
    ("objective", "method"),
    [(objective, method) for objective, methods in FITTING_METHODS.items() for method in methods],
)
def test_every_way_of_sampling_gives_the_trials_latents(tmp_path, monkeypatch, objective, method):
    from monai.bundle import ConfigParser  # after ldm.networks, which imports MONAI in less time

    config = tiny_trial(objective, method=method)
    write_trial(tmp_path / "trial", config, lively_network(config))
    assert export(tmp_path / "trial", tmp_path / "bundle")[0] == 0
    monkeypatch.syspath_prepend(tmp_path / "bundle")
    for name in ("scripts", "scripts.sampling"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    parser = ConfigParser(read_json(tmp_path / "bundle", "inference.json"))
    parser["latents"] |= {"network": Contracts(), "batch_size": 1}
    found, expected = parser.get_parsed_content("latents"), ours(Contracts(), config)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_a_bundle_has_the_files_of_one_and_no_path_of_this_machine(bundle, tmp_path):
    files = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    assert files == {
        *("LICENSE", "docs/README.md", "configs/metadata.json", "configs/inference.json"),
        *("models/model.safetensors", "models/model_autoencoder.safetensors"),
        *("scripts/__init__.py", "scripts/sampling.py"),
    }
    for name in files:
        assert str(tmp_path).encode() not in (bundle / name).read_bytes(), name


def test_metadata_has_what_monais_schema_requires(bundle):
    metadata = read_json(bundle, "metadata.json")
    assert metadata.keys() >= {
        *("schema", "version", "monai_version", "pytorch_version", "numpy_version"),
        *("required_packages_version", "task", "description", "authors", "copyright"),
        "network_data_format",
    }
    for network in ("network_data_format", "autoencoder_data_format"):
        for direction in ("inputs", "outputs"):
            for tensor in metadata[network][direction].values():
                assert tensor.keys() >= {
                    *("type", "format", "num_channels", "spatial_shape", "dtype", "value_range")
                }


def test_the_last_epoch_of_a_trial_is_exported_unless_one_is_named(trial, tmp_path):
    for epoch in (9999, 10000):
        shutil.copytree(trial / "epoch_0004", trial / f"epoch_{epoch}")
        meta = trial / f"epoch_{epoch}" / "sampler.json"
        meta.write_text(meta.read_text().replace('"epoch": 4', f'"epoch": {epoch}'))
    assert "epoch 10000;" in export(trial, tmp_path / "last")[1]
    assert "epoch 4;" in export(trial / "epoch_0004", tmp_path / "named")[1]


def test_scores_stand_in_the_card_and_the_metadata_with_interval_and_n(trial, tmp_path):
    evaluation = {"epoch": 4, "scores": {"histogram_distance_hu": SCORE}, "histogram_null": SCORE}
    (trial / "epoch_0004" / "evaluation.json").write_text(json.dumps(evaluation))
    export(trial, tmp_path / "bundle")
    card = (tmp_path / "bundle" / "docs" / "README.md").read_text()
    assert "| scores.histogram_distance_hu | 17.7 | 15.9 to 19.1 | 8 |" in card
    metrics = read_json(tmp_path / "bundle", "metadata.json")["eval_metrics"]
    assert metrics == {"scores.histogram_distance_hu": SCORE, "histogram_null": SCORE}


def test_a_card_without_scores_says_so(bundle):
    assert "never evaluated" in (bundle / "docs" / "README.md").read_text()


def first_line(bundle):
    return (bundle / "docs" / "README.md").read_text().splitlines()[0]


def test_the_first_line_says_that_the_autoencoder_knows_only_phantoms(bundle):
    assert first_line(bundle).startswith("**PHANTOM ONLY: an autoencoder trained on phantoms.")
    assert "PHANTOM ONLY" in read_json(bundle, "metadata.json")["intended_use"]


@pytest.mark.parametrize("is_phantom", [True, False])
def test_what_the_model_learned_from_is_read_from_the_store_of_its_whitening(
    trial, tmp_path, is_phantom
):
    meta = json.loads((trial / "epoch_0004" / "sampler.json").read_text())
    for name, shift, of_phantoms in (("aa", 1.0, not is_phantom), ("bb", 0.0, is_phantom)):
        whitening = meta["whitening"]
        latents = LatentStatistics(
            mean=tuple(mean + shift for mean in whitening["mean"]),
            std=tuple(whitening["std"]),
            scale_std=1.0,
        )
        manifest = StoreManifest(
            version=STORE_VERSION,
            fingerprint=name,
            is_phantom=of_phantoms,
            scans=(),
            exclusions=(),
            latents=latents,
        )
        folder = trial.parents[2] / "latents" / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps(to_dict(manifest)))
    export(trial, tmp_path / "bundle")
    assert ("generated phantoms instead of scans" in first_line(tmp_path / "bundle")) is is_phantom
    source = read_json(tmp_path / "bundle", "metadata.json")["data_source"]
    assert source.startswith("Phantoms" if is_phantom else "Scans of people")


def test_where_that_store_is_not_at_hand_the_data_are_not_recorded(bundle):
    assert read_json(bundle, "metadata.json")["data_source"].startswith("Not recorded")


def test_a_run_that_is_no_trial_is_refused(tmp_path):
    code, shown = export(tmp_path, tmp_path / "bundle")
    assert code == 2
    assert f"error: RUN must be a trial's folder, or a folder epoch_NNNN in it, {tmp_path}" in shown


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(trial):
    code, shown = export(trial, trial)
    assert code == 2
    assert f"--to must be a new folder or an empty one, {trial} is not" in shown
    assert [path.name for path in trial.iterdir()] == ["epoch_0004"]


def test_an_empty_folder_may_be_named(trial, tmp_path):
    (tmp_path / "bundle").mkdir()
    assert export(trial, tmp_path / "bundle")[0] == 0


@pytest.fixture
def other_autoencoder(tmp_path):
    """A file of another architecture than the demo's, and its configuration."""
    config = dataclasses.replace(DEMO_AUTOENCODER, channels=(8, 8, 16))
    path = tmp_path / "other.safetensors"
    save_file(build_autoencoder(config).state_dict(), path)
    return path, config


def test_an_autoencoder_that_does_not_fit_is_refused_and_nothing_is_left(
    trial, tmp_path, other_autoencoder
):
    path, _ = other_autoencoder
    code, shown = export(trial, tmp_path / "new" / "bundle", "--autoencoder", path)
    assert code == 2
    assert f"{path} does not fit this recipe's AutoencoderKL" in shown
    assert not (tmp_path / "new").exists()


def test_another_recipe_needs_its_autoencoder_and_is_no_phantom(tmp_path, other_autoencoder):
    path, config = other_autoencoder
    trial = dataclasses.replace(tiny_trial(Objective.RECTIFIED_FLOW), autoencoder=config)
    write_trial(tmp_path / "trial", trial, lively_network(trial))
    code, shown = export(tmp_path / "trial", tmp_path / "bundle")
    assert code == 2
    assert "needs --autoencoder FILE" in shown
    assert export(tmp_path / "trial", tmp_path / "bundle", "--autoencoder", path)[0] == 0
    assert first_line(tmp_path / "bundle").startswith("# Synthetic abdominal CT")


def test_an_autoencoder_other_than_the_sweeps_is_refused_naming_both(trial, tmp_path):
    (trial.parents[1] / "sweep.json").write_text('{"autoencoder": "0123456789ab"}')
    code, shown = export(trial, tmp_path / "bundle")
    assert code == 2
    assert "names 0123456789ab" in shown
    assert str(PHANTOM_AUTOENCODER) in shown


def test_without_a_sample_the_voxel_size_is_asked_for(trial, tmp_path):
    (trial / "epoch_0004" / "samples" / "sample_00.nii.gz").unlink()
    code, shown = export(trial, tmp_path / "bundle")
    assert code == 2
    assert "give --spacing-mm X Y Z" in shown
    assert export(trial, tmp_path / "bundle", "--spacing-mm", 2.0, 2.5, 3.0)[0] == 0
    np.testing.assert_allclose(read_json(tmp_path / "bundle", "inference.json")["affine"], AFFINE)


def test_a_voxel_size_of_zero_is_refused(trial, tmp_path):
    code, shown = export(trial, tmp_path / "bundle", "--spacing-mm", 1, 0, 1)
    assert code == 2
    assert "--spacing-mm must be above 0, got (1.0, 0.0, 1.0)" in shown


def test_help_is_shown_without_importing_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from ldm.export import app;"
        "print(CliRunner().invoke(app, ['--help']).output); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "python -m monai.bundle run --config_file" in done.stdout
