"""How the nodes of a sweep get its inputs: scans and weights."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from evaluation.organs.weights import PHANTOM_WEIGHTS, SegmenterModel, networks_for
from ldm.data.cohort.cohort import Scan
from ldm.data.cohort.task07 import DATASET_FILE
from ldm.files.atomic_write import atomic_write
from ldm.fingerprints import digest, file_digest
from ldm.recipes import PHANTOM_AUTOENCODER
from orchestration.settings import SweepConfig
from orchestration.storage.mirror import UrlMirror
from orchestration.storage.sharing import Sharing, fetched


def hand_over_inputs(config: SweepConfig) -> SweepConfig:
    """Copy generated phantoms and given weights to the URL of the storage.

    Returns the settings of the sweep, with the paths of the copies.

    Nothing is copied if the sweep runs on this machine alone, or if the storage is a folder: then
    every node has the inputs under the same path. The scans of ``--data`` are never copied.
    """
    if config.options.address is None or not isinstance(config.sharing, UrlMirror):
        return config
    if config.storage in config.cohort.parents:
        config.sharing.push_tree(config.cohort, last=DATASET_FILE)
    return replace(
        config,
        autoencoder=_shared_autoencoder(config),
        segmenter_weights=_shared_weights(config, networks_for(config.base.image.crop)),
    )


def files_of_hosts(config: SweepConfig) -> tuple[Path, ...]:
    """Return the inputs that every node must have itself, because they are not copied to a URL.

    If the storage is a folder, these are the scans and the weights of all networks. If it is a URL,
    these are the scans of ``--data``, and nothing if phantoms are generated.
    """
    if not isinstance(config.sharing, UrlMirror):
        return config.cohort, config.autoencoder, config.segmenter_weights
    return () if config.storage in config.cohort.parents else (config.cohort,)


def _shared_autoencoder(config: SweepConfig) -> Path:
    if config.autoencoder == PHANTOM_AUTOENCODER:  # comes with the code
        return config.autoencoder
    source = config.autoencoder
    target = config.storage / "weights" / file_digest(source) / source.name
    _copy(source, target)
    config.sharing.push_tree(target.parent)
    return target


def _shared_weights(config: SweepConfig, models: Iterable[SegmenterModel]) -> Path:
    if config.segmenter_weights == PHANTOM_WEIGHTS:
        return config.segmenter_weights
    folders = [model.folder_in(config.segmenter_weights) for model in models]
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    name = digest(" ".join(file_digest(path) for path in files))
    target = config.storage / "weights" / name
    for path in files:
        _copy(path, target / path.relative_to(config.segmenter_weights))
    config.sharing.push_tree(target)
    return target


def _copy(source: Path, target: Path) -> None:
    """Copy a file unless the target exists, whose content is known from its folder's digest."""
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            shutil.copyfile(source, file)


def fetched_scan(scan: Scan, sharing: Sharing) -> Scan:
    """Return the scan with the paths of its files on this node. Fetches them if necessary."""
    case = scan.case
    mask = None if case.mask is None else fetched(case.mask, sharing)
    return replace(scan, case=replace(case, image=fetched(case.image, sharing), mask=mask))
