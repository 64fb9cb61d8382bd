"""The latent stores of a sweep: where they are, and which have to be made. Does not import Ray."""

from collections.abc import Mapping
from pathlib import Path

from ldm.config import InputSize
from ldm.data.cohort.cohort import Cohort
from orchestration.settings import SweepConfig, store_folder
from orchestration.storage.sharing import Sharing

MANIFEST = "manifest.json"  # written last, so a store with it is complete


def stores_of(
    config: SweepConfig, cohort: Cohort, sizes: tuple[InputSize, ...]
) -> dict[InputSize, Path]:
    """The folder for the latents of each input size, which may not exist yet."""
    return {size: store_folder(config, cohort.fingerprint, size) for size in sizes}


def missing_stores(stores: Mapping[InputSize, Path], sharing: Sharing) -> dict[InputSize, Path]:
    """The stores that have to be made, because they have no manifest.

    The manifests of the others are fetched to this node. Their latents are fetched and checked by
    whoever reads them.
    """
    return {size: f for size, f in stores.items() if not sharing.fetch(f / MANIFEST)}
