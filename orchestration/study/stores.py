"""The latent stores of a sweep: where they lie, and which have to be made. Starts without Ray."""

from collections.abc import Mapping
from pathlib import Path

from ldm.config import InputSize
from ldm.data.cohort.cohort import Cohort
from orchestration.settings import SweepConfig, store_folder
from orchestration.storage.sharing import SharedFolder

MANIFEST = "manifest.json"  # a store has it when it is whole


def stores_of(
    config: SweepConfig, cohort: Cohort, sizes: tuple[InputSize, ...]
) -> dict[InputSize, Path]:
    """Where the latents of each input size lie, made or not."""
    return {size: store_folder(config, cohort.fingerprint, size) for size in sizes}


def missing_stores(
    stores: Mapping[InputSize, Path], sharing: SharedFolder
) -> dict[InputSize, Path]:
    """The stores that have to be made; those that are there are checked when they are read.

    Of one that is there the manifest is here, its scans are fetched by who reads them.
    """
    return {size: f for size, f in stores.items() if not sharing.fetch(f / MANIFEST)}
