"""Find the latents that a model was trained on."""

from pathlib import Path

from ldm.data.latents.store import read_manifest
from ldm.data.latents.whitening import whitening_statistics
from ldm.diffusion.checkpoint import Sampler
from ldm.errors import InputError


def store_of(storage: Path, sampler: Sampler) -> Path | None:
    """Return the latent store that a sampler was trained on, or None if it is not in ``storage``.

    ``storage`` is the storage folder of the sweep. The store is recognized by its whitening
    statistics. Stores that cannot be read are skipped.
    """
    for path in sorted(storage.glob("latents/*/manifest.json")):
        try:
            manifest = read_manifest(path.parent)
        except InputError:  # written by another version, so not the store of this sampler
            continue
        whitening = sampler.config.training.whitening
        if whitening_statistics(manifest.latents, whitening) == sampler.whitening:
            return path.parent
    return None
