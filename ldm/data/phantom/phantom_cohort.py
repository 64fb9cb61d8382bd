"""Generate a folder of phantoms in the Task07 layout, or find the one generated before."""

import hashlib
import json
import os
import secrets
import shutil
from functools import partial
from pathlib import Path

from ldm.data.cohort.task07 import DATASET_FILE, PHANTOM_MARKER
from ldm.data.geometry.volume import write_labels, write_volume
from ldm.errors import InputError
from ldm.processes import OnDone, map_in_processes

PHANTOM_VERSION = 1  # raise it whenever a seed gives another phantom: it names the folders
N_SCANS = 40  # of a cohort by default
MAX_SCANS = 1000  # phantom i of a cohort has the seed 1000 * seed + i


def ensure_phantom_cohort(
    folder: Path,
    *,
    n_scans: int = N_SCANS,
    seed: int = 0,
    n_workers: int | None = None,
    on_scan: OnDone | None = None,
) -> Path:
    """Return a Task07 folder of phantoms below ``folder``, and generate it if it is missing.

    The folder ``organsTr`` in it holds TotalSegmentator's label of each voxel. A folder is written
    under a temporary name and then renamed, so it is complete if it exists. If two processes
    generate the same phantoms, the result of the first to finish is kept.

    Parameters
    ----------
    folder
        The folder in which cohorts of phantoms are kept.
    n_scans
        Number of phantoms, from 1 to 1000.
    seed
        Seed of the phantoms, 0 or more.
    n_workers
        Number of processes. None uses one for each core, at most 16.
    on_scan
        Called as ``on_scan(done, total)`` after each phantom.

    Raises
    ------
    InputError
        If ``n_scans`` or ``seed`` is out of range.
    """
    if not 1 <= n_scans <= MAX_SCANS:
        raise InputError(f"n_scans must be from 1 to {MAX_SCANS}", seen=f"got {n_scans}")
    if seed < 0:
        raise InputError("seed must be 0 or more", seen=f"got {seed}")
    made_of = f"version {PHANTOM_VERSION} n_scans {n_scans} seed {seed}"
    target = folder / f"phantoms-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
    if target.is_dir():
        return target
    temporary = folder / f".{target.name}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        temporary.mkdir(parents=True)
        write = partial(_write_phantom, folder=temporary, seed=seed)
        map_in_processes(write, range(n_scans), n_workers=n_workers, on_done=on_scan)
        _write_dataset(temporary, n_scans, made_of)
        _rename_unless_there(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # it is gone already if all went well
    return target


def _file_name(index: int) -> str:
    return f"phantom_{index:03d}.nii.gz"


def _write_phantom(index: int, *, folder: Path, seed: int) -> None:
    from ldm.data.phantom.phantom import (
        make_phantom,  # SciPy is slow to import: only where phantoms are drawn
    )

    phantom = make_phantom(1000 * seed + index)
    affine = phantom.scan.affine
    write_volume(folder / "imagesTr" / _file_name(index), phantom.scan)
    write_labels(folder / "labelsTr" / _file_name(index), phantom.task07_mask, affine)
    write_labels(folder / "organsTr" / _file_name(index), phantom.organs, affine)


def _write_dataset(folder: Path, n_scans: int, made_of: str) -> None:
    names = [_file_name(index) for index in range(n_scans)]
    content = {
        "name": "Phantoms",
        "description": f"Generated phantoms, no patients: {made_of}",
        PHANTOM_MARKER: True,
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "pancreas", "2": "cancer"},
        "numTraining": n_scans,
        "numTest": 0,
        "training": [
            {"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names
        ],
        "test": [],
    }
    (folder / DATASET_FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _rename_unless_there(temporary: Path, target: Path) -> None:
    try:
        temporary.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was first, with the same phantoms
            raise
