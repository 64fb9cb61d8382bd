"""The latent stores of a sweep: where they lie, and which have to be made. Starts without Ray."""

from collections.abc import Mapping
from pathlib import Path

from ldm.config import InputSize
from ldm.data.cohort import Cohort
from ldm.data.store import is_finished
from orchestration.settings import SweepConfig, store_folder


def stores_of(
    config: SweepConfig, cohort: Cohort, sizes: tuple[InputSize, ...]
) -> dict[InputSize, Path]:
    """Where the latents of each input size lie, made or not."""
    return {size: store_folder(config, cohort.fingerprint, size) for size in sizes}


def missing_stores(stores: Mapping[InputSize, Path]) -> dict[InputSize, Path]:
    """The stores that have to be made; those that are there are checked when they are read."""
    return {size: folder for size, folder in stores.items() if not is_finished(folder)}
