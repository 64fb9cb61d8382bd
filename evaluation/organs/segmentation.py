"""Run TotalSegmentator with networks that are loaded once per process.

The TotalSegmentator package loads its weights again and starts processes at every call.
``WarmSegmenter`` runs in this process and keeps its network in memory. For a task with one network
and without a crop, its result equals that of ``totalsegmentator.nnunet.nnUNet_predict_image``
(2.18) voxel for voxel. ``evaluation.organs.parts`` merges several networks. Nothing is downloaded,
and no usage statistics are sent.
"""

import contextlib
import io
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from evaluation.organs.checkpoint_guard import weights_only
from evaluation.organs.private_totalsegmentator import (
    clean_body,
    configure_package,
    register_trainers,
)
from evaluation.organs.weights import (
    BODY_6MM,
    BODY_TRUNC,
    MODEL_FILES,
    PANCREAS,
    PHANTOM_WEIGHTS,
    TOTAL_3MM,
    TOTAL_6MM,
    SegmenterModel,
    called_with,
    check_weights,
    is_phantom_weights,
)
from ldm.data.geometry.volume import FloatArray, LabelArray, Volume
from ldm.errors import ScanError

__all__ = [
    "BODY_6MM",
    "BODY_TRUNC",
    "PANCREAS",
    "PHANTOM_WEIGHTS",
    "TOTAL_3MM",
    "TOTAL_6MM",
    "SegmenterModel",
    "WarmSegmenter",
    "check_weights",
    "is_phantom_weights",
    "segment_with_package",
]


class WarmSegmenter:
    """One network of TotalSegmentator, loaded once and then called with any number of volumes.

    Each call uses torch's current number of threads.

    Parameters
    ----------
    model
        The network.
    weights
        TotalSegmentator's weights folder.
    device
        ``cpu``, ``cuda`` or ``cuda:N``.
    """

    def __init__(self, model: SegmenterModel, *, weights: Path, device: str = "cpu") -> None:
        check_weights(weights, [model])
        configure_package(weights)
        import torch

        # nnU-Net reads it at import; otherwise it finds the labels of voxels with 8 threads.
        os.environ.setdefault("nnUNet_def_n_proc", str(torch.get_num_threads()))
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        register_trainers()
        self.model = model
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a message if there is no GPU
            self._predictor = nnUNetPredictor(
                tile_step_size=0.8 if model.task == "total" else 0.5,
                use_mirroring=False,
                device=torch.device(device),
                allow_tqdm=False,
            )
        folder = model.folder_in(weights)
        with weights_only(folder / MODEL_FILES[-1]):
            self._predictor.initialize_from_trained_model_folder(
                str(folder), use_folds=[0], checkpoint_name="checkpoint_final.pth"
            )

    def __call__(self, volume: Volume) -> LabelArray:
        """Return the labels of the network's task with the shape of ``volume.array``.

        Raises ScanError if a voxel is not finite.
        """
        n_broken = int(np.count_nonzero(~np.isfinite(volume.array)))
        if n_broken:
            raise ScanError(
                "a volume must have finite HU to be segmented",
                seen=f"{n_broken} of {volume.array.size} voxels do not",
                remedy="leave it out, and check what wrote it",
            )
        hu = _to_model_grid(volume, self.model.spacing_mm)
        labels = self._predict(hu)
        if self.model.task == "body":
            labels = clean_body(labels, self.model.spacing_mm)
        return _to_scan_grid(labels, volume.array.shape)

    def _predict(self, hu: FloatArray) -> LabelArray:
        """Return the labels of an image at the model's spacing. nnU-Net's arrays have z first."""
        labels: LabelArray = self._predictor.predict_single_npy_array(
            hu.T[None], {"spacing": [self.model.spacing_mm] * 3}
        )
        return np.ascontiguousarray(labels.T.astype(np.uint8))


def _to_model_grid(volume: Volume, target_mm: float) -> FloatArray:
    """Resample a volume to the model's spacing exactly as the package's ``change_spacing`` does.

    The package reads the spacing from a NIfTI header, where it is float32, and truncates resampled
    HU to whole numbers.
    """
    zooms: tuple[np.float32, ...] = nib.Nifti1Image(volume.array, volume.affine).header.get_zooms()
    factors: NDArray[np.float64] = np.asarray(zooms) / np.full(3, target_mm)
    if (factors == 1.0).all():
        return volume.array
    n_voxels = np.round(np.array(volume.array.shape) * factors)
    if n_voxels.min() < 1:
        raise ScanError(
            f"a volume must span at least half a voxel of {target_mm:g} mm along each axis to be "
            "segmented",
            seen=f"got shape {volume.array.shape} at {volume.spacing_mm.tolist()} mm",
            remedy="exclude it",
        )
    resampled = ndimage.zoom(volume.array, factors, output=np.float64, order=1, mode="nearest")
    hu: FloatArray = resampled.astype(np.int32).astype(np.float32)
    return hu


def _to_scan_grid(labels: LabelArray, shape: tuple[int, ...]) -> LabelArray:
    """Resample labels to the grid of the scan with nearest-neighbor interpolation."""
    if labels.shape == shape:
        return labels
    factors = np.array(shape) / np.array(labels.shape)
    resampled: LabelArray = ndimage.zoom(labels, factors, order=0, mode="nearest")
    return resampled


def segment_with_package(
    volume: Volume, model: SegmenterModel, *, weights: Path, home: Path, device: str = "cpu"
) -> LabelArray:
    """Segment a volume with TotalSegmentator's own Python function, in a new process.

    It is slow and serves as the reference for ``WarmSegmenter``. While it runs, the package writes
    the scan to the folder for temporary files (TMPDIR).

    Parameters
    ----------
    volume
        The volume to segment, in HU.
    model
        The network to use.
    weights
        TotalSegmentator's weights folder.
    home
        A folder for the package's configuration.
    device
        ``cpu``, ``cuda`` or ``cuda:N``.
    """
    check_weights(weights, called_with(model))
    spawn = multiprocessing.get_context("spawn")  # its workers may start nnU-Net's processes
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        return pool.submit(call_package, volume, model, weights, home, device).result()


def call_package(
    volume: Volume, model: SegmenterModel, weights: Path, home: Path, device: str
) -> LabelArray:
    """Return the labels that TotalSegmentator's own Python function gives, run in this process.

    The function changes environment variables and other state of the process.
    """
    configure_package(weights, home)
    from totalsegmentator.python_api import totalsegmentator

    with weights_only(model.folder_in(weights) / MODEL_FILES[-1]):
        image = totalsegmentator(
            nib.Nifti1Image(volume.array, volume.affine),
            None,
            task=model.task,
            fast=model.mode == "fast",
            fastest=model.mode == "fastest",
            quiet=True,
            nr_thr_saving=1,
            device=device.replace("cuda", "gpu"),
        )
    labels: LabelArray = np.asanyarray(image.dataobj).astype(np.uint8)
    return labels
