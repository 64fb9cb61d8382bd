"""Which latents of a storage folder a model was trained on."""

from pathlib import Path

from ldm.data.latents.store import read_manifest
from ldm.data.latents.whitening import whitening_statistics
from ldm.diffusion.checkpoint import Sampler
from ldm.errors import InputError


def store_of(storage: Path, sampler: Sampler) -> Path | None:
    """Return the latent store that a model was trained on, or None if it is not in the storage.

    It is the store whose statistics give the model's own whitening.
    """
    for path in sorted(storage.glob("latents/*/manifest.json")):
        try:
            manifest = read_manifest(path.parent)
        except InputError:  # of another version, so not what this sampler was trained on
            continue
        whitening = sampler.config.training.whitening
        if whitening_statistics(manifest.latents, whitening) == sampler.whitening:
            return path.parent
    return None
