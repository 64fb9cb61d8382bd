"""A bundle samples what its trial samples, where only the packages are that its card names."""

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from ldm.autoencoder.model import load_autoencoder
from ldm.config import FITTING_METHODS, Objective, Whitening
from ldm.diffusion.sample import decode_to_hu
from ldm.recipes import PHANTOM_AUTOENCODER
from tests.support.bare_machine import on_a_bare_machine
from tests.support.small_bundle import (
    AFFINE,
    CPU,
    export,
    installed_packages,
    lively_network,
    ours,
    read_json,
    tiny_trial,
    whitening_of,
    write_trial,
)

OUR_PACKAGES = ("ldm", "evaluation", "orchestration", "pancreatune", "search_spaces", "tune")
ALONE = f"""
import socket
def refuse(*_, **__):
    raise OSError("there is no network")
socket.socket.connect = socket.getaddrinfo = refuse
sys.modules.update(dict.fromkeys({OUR_PACKAGES}))
"""


class Contracts(nn.Module):
    """A predictor that depends on noise and time."""

    def forward(self, noisy, time):
        return noisy * (0.2 + time.view(-1, 1, 1, 1, 1) / 2000)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def alone(folder, *arguments, cwd, requirements=("monai",)):
    """Run Python without a network, pancreatune and all packages but the required ones."""
    return on_a_bare_machine(folder, *arguments, requirements=requirements, cwd=cwd, start=ALONE)


def test_a_bare_machine_cannot_import_pancreatune(tmp_path):
    done = alone(tmp_path / "site", "-c", "import ldm.diffusion.sample", cwd=tmp_path)
    assert "ModuleNotFoundError" in done.stderr


def other_bundle(folder, config):
    """Return a working folder in which names are taken: a bundle with a package of its own."""
    write_trial(folder / "other-trial", config, lively_network(config, seed=2))
    assert export(folder / "other-trial", folder / "other")[0] == 0
    (folder / "other" / "scripts").mkdir()
    (folder / "other" / "scripts" / "__init__.py").write_text("raise RuntimeError")
    return folder / "other"


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
    done = alone(
        tmp_path / "site",
        *("-m", "monai.bundle", "run", "--config_file", inference, "--output_dir", "out"),
        requirements=installed_packages(tmp_path / "bundle"),
        cwd=other_bundle(tmp_path, config),
    )
    assert done.returncode == 0, done.stderr
    for index, hu in enumerate(expected):
        image = nib.load(tmp_path / "other" / "out" / f"sample_{index:02d}.nii.gz")
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
    parser = ConfigParser(read_json(tmp_path / "bundle", "inference.json"))
    parser["latents"] |= {"network": Contracts(), "batch_size": 1}
    found, expected = parser.get_parsed_content("latents"), ours(Contracts(), config)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
