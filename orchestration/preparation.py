"""From a cohort to a latent store: read, crop, grid, encode, each scan once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from evaluation.segmentation import BODY_6MM, BODY_TRUNC, WarmSegmenter
from ldm.autoencoder import encode, load_autoencoder
from ldm.config import Crop, ImageConfig
from ldm.data.cohort import Cohort, Exclusion, Scan, Split
from ldm.data.crop import find_box
from ldm.data.grid import to_grid
from ldm.data.intensity import to_unit
from ldm.data.latents import (
    STORE_VERSION,
    PreparedScan,
    StoreManifest,
    latent_statistics,
    read_manifest,
    write_store,
)
from ldm.data.volume import BoolArray, FloatArray, Volume, read_volume
from ldm.errors import InputError, ScanError
from orchestration.settings import SweepConfig, store_folder

READ_SPLITS = (Split.TRAIN, Split.VALIDATION)  # test scans wait for the final report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gridded:
    scan: PreparedScan
    hu: FloatArray


def prepare(config: SweepConfig, cohort: Cohort, device_name: str) -> Path:
    """The folder of the latent store for these settings, made unless it is there."""
    folder = store_folder(config, cohort.fingerprint)
    fingerprint = folder.name
    if (folder / "manifest.json").is_file():
        read_manifest(folder, fingerprint=fingerprint)
        return folder
    device = torch.device(device_name)
    find_trunk = trunk_finder(config.base.image.crop, config.segmenter_weights, device_name)
    gridded, excluded = _grid_scans(cohort, config.base.image, find_trunk)
    by_split = {split: [one for one in gridded if one.scan.split is split] for split in READ_SPLITS}
    for split, scans in by_split.items():
        if not scans:
            reasons = "".join(f"\n  {e.case_id}: {e.reason}" for e in excluded)
            raise InputError(f"no {split} scan is left of {cohort.name}: add scans{reasons}")
    autoencoder = load_autoencoder(config.base.autoencoder, config.autoencoder, device)
    mean, std = _encode(autoencoder, [one.hu for one in by_split[Split.TRAIN]], device)
    statistics = latent_statistics(mean, std)
    manifest = StoreManifest(
        version=STORE_VERSION,
        fingerprint=fingerprint,
        is_phantom=cohort.is_phantom,
        scans=tuple(one.scan for scans in by_split.values() for one in scans),
        exclusions=cohort.exclusions + tuple(excluded),
        latent_mean=statistics.mean,
        latent_std=statistics.std,
        latent_scale_std=statistics.scale_std,
    )
    volumes = {
        str(split): torch.from_numpy(np.stack([np.rint(one.hu) for one in scans])).short()
        for split, scans in by_split.items()
    }
    write_store(folder, manifest, latents={"mean": mean, "std": std}, volumes=volumes)
    return folder


def trunk_finder(crop: Crop, weights: Path, device: str) -> Callable[[Volume], BoolArray]:
    """TotalSegmentator's trunk, loaded for the semi-body crop only."""
    if crop is not Crop.SEMI_BODY:

        def not_needed(_: Volume) -> BoolArray:
            raise AssertionError(f"crop {crop} does not look for the trunk")

        return not_needed
    segmenter = WarmSegmenter(BODY_6MM, weights=weights, device=device)
    return lambda volume: segmenter(volume) == BODY_TRUNC


def _grid_scans(
    cohort: Cohort, image: ImageConfig, find_trunk: Callable[[Volume], BoolArray]
) -> tuple[list[_Gridded], list[Exclusion]]:
    """Every scan of the read splits, on the grid or excluded with its reason."""
    gridded, excluded = [], []
    for scan in cohort.scans:
        if scan.split not in READ_SPLITS:
            continue
        try:
            gridded.append(_grid_scan(scan, image, find_trunk))
        except ScanError as error:
            excluded.append(Exclusion(case_id=scan.case_id, reason=str(error)))
    return gridded, excluded


def _grid_scan(
    scan: Scan, image: ImageConfig, find_trunk: Callable[[Volume], BoolArray]
) -> _Gridded:
    volume = read_volume(scan.image)
    box = find_box(
        image.crop,
        volume,
        mask_box=scan.mask_box,
        margin_mm=image.margin_mm,
        find_trunk=find_trunk,
    )
    grid = to_grid(volume, box, image.grid_voxels)
    x, y, z = (float(mm) for mm in grid.spacing_mm)
    prepared = PreparedScan(
        case_id=scan.case_id,
        split=scan.split,
        image=str(scan.image),
        box=box,
        spacing_mm=(x, y, z),
        field_of_view_fraction=(1.0, 1.0, 1.0),  # input size fit: the model sees the whole crop
    )
    return _Gridded(scan=prepared, hu=grid.array)


def _encode(
    autoencoder: nn.Module, scans: list[FloatArray], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Posterior mean and standard deviation, one scan at a time on the device."""
    posteriors = [
        encode(autoencoder, torch.from_numpy(to_unit(hu))[None, None].to(device)) for hu in scans
    ]
    means, stds = ([p.mean.cpu() for p in posteriors], [p.std.cpu() for p in posteriors])
    return torch.cat(means), torch.cat(stds)
