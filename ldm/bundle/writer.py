"""Write a MONAI bundle, from which MONAI can sample without pancreatune.

configs/metadata.json               description of the model
configs/inference.json              how MONAI builds the networks and samples
models/*.safetensors                weights of the denoiser and of the autoencoder, float32
pancreatune_DIGEST/sampling.py      a copy of ``ldm.bundle.sampling``
docs/README.md                      the model card
LICENSE                             the terms of each part

DIGEST identifies the weights. It keeps the package apart from one of the same name in the folder
that the bundle is run from, such as ``scripts`` or the package of another bundle.
"""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from ldm.autoencoder.model import load_autoencoder
from ldm.bundle.card import license_text, model_card
from ldm.bundle.config import (
    AUTOENCODER_FILE,
    DENOISER_FILE,
    SAMPLING_MODULE,
    inference_config,
)
from ldm.bundle.metadata import bundle_metadata
from ldm.bundle.source import BundleSource
from ldm.diffusion.denoiser import build_denoiser
from ldm.errors import InputError
from ldm.files.weights_file import load_weights
from ldm.fingerprints import digest, file_digest

SAMPLING_SOURCE = Path(__file__).with_name("sampling.py")


def check_free(to: Path) -> None:
    """Raise InputError unless ``to`` is a new folder or an empty one."""
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise InputError(
            "--to must be a new folder or an empty one",
            seen=f"{to} is not",
            remedy="give another folder",
        )


def write_bundle(source: BundleSource, to: Path) -> None:
    """Write a complete bundle, or nothing at all.

    Raises InputError if weights do not fit the configuration, or if ``to`` cannot be written.
    """
    check_free(to)
    config = source.config
    autoencoder = load_autoencoder(config.autoencoder, source.autoencoder, torch.device("cpu"))
    denoiser = build_denoiser(config.denoiser, config.latent_shape[0])
    load_weights(denoiser, source.denoiser)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as temporary:
            bundle = Path(temporary) / to.name
            for name in ("configs", "models", "docs"):
                (bundle / name).mkdir(parents=True)
            _save(autoencoder, bundle / AUTOENCODER_FILE)
            _save(denoiser, bundle / DENOISER_FILE)
            _write_texts(source, bundle)
            bundle.rename(to)
    except OSError as error:
        raise InputError(
            "--to must be in a folder that can be written to",
            seen=f"{to} is not ({error})",
            remedy="give another folder",
        ) from error


def _write_texts(source: BundleSource, bundle: Path) -> None:
    _write_config(bundle / "configs" / "metadata.json", bundle_metadata(source))
    package = bundle / package_name(bundle)
    _write_config(bundle / "configs" / "inference.json", inference_config(source, package.name))
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copyfile(SAMPLING_SOURCE, package / f"{SAMPLING_MODULE}.py")
    (bundle / "docs" / "README.md").write_text(model_card(source))
    (bundle / "LICENSE").write_text(license_text(source, package.name))


def package_name(bundle: Path) -> str:
    """Return the name of the Python package in a bundle, whose weights have been written."""
    files = (bundle / DENOISER_FILE, bundle / AUTOENCODER_FILE)
    return f"pancreatune_{digest(' '.join(map(file_digest, files)))}"


def _save(network: nn.Module, path: Path) -> None:
    """Write the weights of a network, with the permissions of any new file.

    By itself, safetensors makes files that only their owner can read.
    """
    path.touch()
    mode = path.stat().st_mode
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    path.chmod(mode)


def _write_config(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=4) + "\n")
