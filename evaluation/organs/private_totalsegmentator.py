"""The parts of TotalSegmentator that are used here besides its documented call.

The documented call, ``totalsegmentator()``, loads its weights again for every scan.
``evaluation.organs.segmentation`` keeps them loaded. For this it needs what the call does around
nnU-Net:

- The tables of classes. Without them, labels have no names.
- The trainers. nnU-Net finds a checkpoint's trainer by its name, and knows some trainers of the
  package only after ``totalsegmentator.nnunet`` was imported. Without this import, models of these
  trainers cannot be loaded.
- The cleaning of labels of the task ``body``. Without it, voxels differ from the package's.
- The configuration file in ``TOTALSEG_HOME_DIR``. Without our own file, the package sends usage
  statistics.

``tests/evaluation/test_private_totalsegmentator.py`` runs each against the installed version, and
the slow tests of ``test_segmentation.py`` compare every voxel with the documented call.
"""

import atexit
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from ldm.data.geometry.volume import LabelArray

MIN_EXTREMITY_MM3 = 50_000.0  # smaller blobs of body_extremities are dropped, as the package does
SILENT = {
    "totalseg_id": "totalseg_offline",
    "send_usage_stats": False,
    "prediction_counter": 0,
    "statistics_disclaimer_shown": True,
}


def class_names(task: str) -> dict[int, str]:
    """Return the names of a task's classes by label.

    For example, the task ``total`` has 117 classes, and its label 7 is the pancreas.
    """
    from totalsegmentator.map_to_binary import class_map

    return dict(class_map[task])


def class_names_of_part(task_id: int) -> dict[int, str]:
    """Return the names of the classes of one of the five networks of ``total`` at 1.5 mm.

    ``task_id`` is TotalSegmentator's number of the network, 291 to 295. The keys are the labels of
    this network, which differ from those of the task.
    """
    from totalsegmentator.map_to_binary import class_map_5_parts, map_taskid_to_partname_ct

    return dict(class_map_5_parts[map_taskid_to_partname_ct[task_id]])


def register_trainers() -> None:
    """Make the package's own trainers known to nnU-Net. Importing the module does so."""
    import totalsegmentator.nnunet  # noqa: F401


def clean_body(labels: LabelArray, spacing_mm: float) -> LabelArray:
    """Keep only the largest blob of the trunk and the large blobs of the extremities.

    ``labels`` are those of the task ``body``, on a grid with cubic voxels of ``spacing_mm``.
    """
    from totalsegmentator.postprocessing import (
        keep_largest_blob_multilabel,
        remove_small_blobs_multilabel,
    )

    names = class_names("body")
    sizes_voxels = [MIN_EXTREMITY_MM3 / spacing_mm**3, 1e10]
    labels = keep_largest_blob_multilabel(labels, names, ["body_trunc"], quiet=True)
    labels = remove_small_blobs_multilabel(
        labels, names, ["body_extremities"], interval=sizes_voxels, quiet=True
    )
    return labels


def configure_package(weights: Path, home: Path | None = None) -> None:
    """Tell TotalSegmentator in this process where its weights are, and forbid usage statistics.

    Must be called before the package is imported. ``home`` is a folder for the package's
    configuration, by default one that is removed when the process ends. Processes must not share
    it, because the package rewrites its configuration file without a lock.
    """
    home = home or _own_home()
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.json").write_text(json.dumps(SILENT))
    os.environ["TOTALSEG_HOME_DIR"] = str(home)
    os.environ["TOTALSEG_WEIGHTS_PATH"] = str(weights)
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ[name] = str(weights)


@cache
def _own_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="totalsegmentator-home-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home
