"""``configs/inference.json`` of a bundle, by which MONAI builds the networks and samples."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ldm.autoencoder.model import autoencoder_arguments
from ldm.bundle.source import BundleSource
from ldm.config import Objective, SamplingConfig, SamplingMethod
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.diffusion.denoiser import denoiser_arguments
from ldm.diffusion.objective import NOISE_SCHEDULE
from ldm.diffusion.sample import CPU_BATCH
from ldm.files.dataclass_json import to_dict

DENOISER_FILE = "models/model.safetensors"
AUTOENCODER_FILE = "models/model_autoencoder.safetensors"
SAMPLING_MODULE = "sampling"
Call = Callable[..., dict[str, Any]]


def inference_config(source: BundleSource, package: str) -> dict[str, Any]:
    """Return the configuration for MONAI's ConfigParser.

    ``package`` is the name of the bundle's Python package, which holds ``ldm.bundle.sampling`` and
    by which the bundle finds its own files. MONAI puts the bundle behind the working folder in the
    search path of Python, so no other package may have this name.

    In its syntax, text after ``$`` is evaluated, ``@name`` refers to another entry, and
    ``_target_`` names a function or class to call.
    """
    config, sampling = source.config, source.config.sampling
    channels, *_ = config.latent_shape
    call = partial(_call, f"{package}.{SAMPLING_MODULE}")
    return {
        "imports": [
            f"$import {package}",
            "$from pathlib import Path",
            "$from safetensors.torch import load_file",
        ],
        "bundle_root": f"$str(Path({package}.__file__).parents[1])",
        "output_dir": "$@bundle_root + '/samples'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "seed": sampling.seed,
        "n_samples": sampling.n_samples,
        "batch_size": CPU_BATCH,
        "latent_shape": list(config.latent_shape),
        "whitening": to_dict(source.sampler.undone_by_decoding),
        "window_hu": list(WINDOW_HU),
        "affine": source.affine.tolist(),
        "autoencoder_def": {
            "_target_": "monai.networks.nets.AutoencoderKL",
            **autoencoder_arguments(config.autoencoder),
        },
        "load_autoencoder": _load("autoencoder_def", AUTOENCODER_FILE),
        "autoencoder": "$@autoencoder_def.to(@device).eval()",
        "network_def": {
            "_target_": "monai.networks.nets.DiffusionModelUNet",
            **denoiser_arguments(config.denoiser, channels),
        },
        "load_network": _load("network_def", DENOISER_FILE),
        "network": "$@network_def.to(@device).eval()",
        **_integration(config.training.objective, sampling, call),
        "latents": call(
            "sample_latents",
            _requires_=["@load_network"],
            network="@network",
            integrate="@integrate",
            latent_shape="@latent_shape",
            n_samples="@n_samples",
            seed="@seed",
            batch_size="@batch_size",
            device="@device",
        ),
        "hu": call(
            "decode_to_hu",
            _requires_=["@load_autoencoder"],
            autoencoder="@autoencoder",
            latents="@latents",
            whitening="@whitening",
            window_hu="@window_hu",
            device="@device",
        ),
        "run": [call("write_samples", hu="@hu", affine="@affine", output_dir="@output_dir")],
    }


def _call(module: str, function: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": f"{module}.{function}", **arguments}


def _load(network: str, file: str) -> str:
    return f"$@{network}.load_state_dict(load_file(@bundle_root + '/{file}'))"


def _integration(objective: Objective, sampling: SamplingConfig, call: Call) -> dict[str, Any]:
    """Return the entries for ``integrate``, which turns noise into latents.

    It does the same as ``ldm.diffusion.sample``. The number of steps can be set, except for DDPM,
    which takes all steps of the training.
    """
    method = sampling.method_for(objective)
    if method is SamplingMethod.EULER:
        integrate = call("euler", _mode_="callable", n_steps="@n_steps")
        return {"n_steps": sampling.n_steps, "integrate": integrate}
    is_ddim = method is SamplingMethod.DDIM
    return {
        **({"n_steps": sampling.n_steps} if is_ddim else {}),
        "noise_scheduler": {
            "_target_": f"monai.networks.schedulers.{method.upper()}Scheduler",
            **NOISE_SCHEDULE,
            "clip_sample": False,
            "prediction_type": "v_prediction" if objective is Objective.V else "epsilon",
        },
        "integrate": call(
            "denoise",
            _mode_="callable",
            n_steps="@n_steps" if is_ddim else sampling.n_steps,
            scheduler="@noise_scheduler",
        ),
    }
