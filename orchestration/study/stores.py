"""Locate the latent stores of a sweep, and find those that are missing. Does not import Ray."""

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
    """Return the folder of the latent store of each input size in ``sizes``.

    The name of a folder depends on the settings and on the scans. The folders may not exist yet.
    """
    return {size: store_folder(config, cohort.fingerprint, size) for size in sizes}


def missing_stores(stores: Mapping[InputSize, Path], sharing: Sharing) -> dict[InputSize, Path]:
    """Return the stores that must be made because they have no manifest.

    Fetches the manifests of the others to this node. The latents are fetched and checked when they
    are read.
    """
    return {size: f for size, f in stores.items() if not sharing.fetch(f / MANIFEST)}
