"""``configs/metadata.json`` of a bundle, as MONAI's schema of 2024-07-25 has it."""

from importlib.metadata import version
from typing import Any

from ldm.bundle.source import BundleSource
from ldm.config import Objective
from ldm.data.geometry.intensity import WINDOW_HU
from ldm.data.geometry.volume import spacing_mm
from ldm.files.dataclass_json import to_dict
from ldm.fingerprints import fingerprint

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
BUNDLE_VERSION = "1.0.0"
REFERENCES = (
    "O. Drenth. Generating abdominal CT scan data for pancreatic cancer detection using latent "
    "diffusion. Bachelor thesis, LIACS, Leiden University, 2024.",
    "M. Antonelli et al. The Medical Segmentation Decathlon. Nature Communications 13, 2022.",
    "W. H. L. Pinaya et al. Generative AI for medical imaging: extending the MONAI framework. "
    "arXiv 2307.15208, 2023.",
)
PREDICTED = {
    Objective.EPSILON: "predicted noise",
    Objective.V: "predicted v (Salimans 2022)",
    Objective.RECTIFIED_FLOW: "predicted velocity, noise minus data",
}
INTENDED_USE = "Research only. Not for diagnosis, treatment or any other clinical use."


def bundle_metadata(source: BundleSource) -> dict[str, Any]:
    """What the model is, what made it, and the shape and meaning of what goes in and out."""
    config = source.config
    notice = source.phantom_notice
    size = " x ".join(map(str, config.image.grid_voxels))
    spacing = " x ".join(f"{mm:.2f}" for mm in spacing_mm(source.affine))
    made_of = (
        f"epoch {source.sampler.epoch} of a trial of recipe {config.recipe}, configuration "
        f"{fingerprint(config)}"
    )
    return {
        "schema": SCHEMA,
        "version": BUNDLE_VERSION,
        "changelog": {BUNDLE_VERSION: f"Exported by pancreatune: {made_of}"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {name: version(name) for name in ("nibabel", "safetensors")},
        "name": f"Synthetic abdominal CT, {config.image.crop} crop",
        "task": "Unconditional synthesis of abdominal CT",
        "description": (
            f"Latent diffusion model ({config.training.objective}) that generates CT of the "
            f"{config.image.crop} crop in HU, {size} voxels of {spacing} mm; {made_of}."
            + (f" {notice}" if notice else "")
        ),
        "authors": "Whoever trained this model with pancreatune: put your names here",
        "copyright": "That of the authors; see LICENSE",
        "data_source": data_source(source),
        "data_type": "nibabel",
        "image_classes": "CT in HU",
        "eval_metrics": {name: to_dict(score) for name, score in source.scores.items()},
        "intended_use": f"{INTENDED_USE} {notice}" if notice else INTENDED_USE,
        "references": list(REFERENCES),
        "network_data_format": _denoiser_format(source),
        "autoencoder_data_format": _autoencoder_format(source),
    }


def data_source(source: BundleSource) -> str:
    """Where the scans come from, as far as a trial knows."""
    if source.is_phantom_data:
        return "Phantoms that pancreatune generates; no scan of a person"
    known = "Scans of people" if source.is_phantom_data is False else "Not recorded"
    return f"{known}: name them here. The study used Task07_Pancreas of http://medicaldecathlon.com"


def _denoiser_format(source: BundleSource) -> dict[str, Any]:
    config = source.config
    is_flow = config.training.objective is Objective.RECTIFIED_FLOW
    return {
        "inputs": {
            "latent": _latents(source, "whitened latent with noise"),
            "timesteps": {
                "type": "vector",
                "format": "timesteps",
                "num_channels": 1,
                "spatial_shape": [],
                "dtype": "float32" if is_flow else "int64",
                "value_range": [0, 1000],
            },
        },
        "outputs": {"pred": _latents(source, PREDICTED[config.training.objective])},
        "post_processed_outputs": {
            "image": _image(source, "hounsfield", "int16", WINDOW_HU, "HU"),
        },
    }


def _autoencoder_format(source: BundleSource) -> dict[str, Any]:
    low, high = WINDOW_HU
    image = _image(source, "magnitude", "float32", (0, 1), f"{low:.0f} to {high:.0f} HU as 0 to 1")
    return {"inputs": {"image": image}, "outputs": {"pred": image}}


def _latents(source: BundleSource, what: str) -> dict[str, Any]:
    channels, *spatial = source.config.latent_shape
    return {
        "type": "image",
        "format": "latent",
        "modality": "n/a",
        "num_channels": channels,
        "spatial_shape": spatial,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {str(index): f"{what}, channel {index}" for index in range(channels)},
    }


def _image(
    source: BundleSource, kind: str, dtype: str, value_range: tuple[float, float], what: str
) -> dict[str, Any]:
    return {
        "type": "image",
        "format": kind,
        "modality": "CT",
        "num_channels": 1,
        "spatial_shape": list(source.config.image.grid_voxels),
        "dtype": dtype,
        "value_range": list(value_range),
        "is_patch_data": False,
        "channel_def": {"0": what},
    }
