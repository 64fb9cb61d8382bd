"""The networks of TotalSegmentator that we use, and a check that their weights are installed.

This module never downloads weights. If some are missing, the error names the command that gets
them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ldm.config import Crop
from ldm.errors import InputError

PANCREAS = 7  # label in task ``total``
BODY_TRUNC = 1  # label in task ``body``
PHANTOM_WEIGHTS = Path(__file__).parents[1] / "weights"
MARKER = "PHANTOM_ONLY.json"  # marks a weights folder that is wrong on every real scan
MODEL_FILES = ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth")
RELEASES = "https://github.com/wasserth/TotalSegmentator/releases"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterModel:
    """One network of TotalSegmentator.

    Attributes
    ----------
    task, mode
        The package's names of the task and of its resolution: "default", "fast" or "fastest".
    task_id
        The package's number of the network.
    spacing_mm
        Voxel size of its input.
    dataset, trainer
        The parts of the folder name of its weights.
    """

    task: str
    mode: str
    task_id: int
    spacing_mm: float
    dataset: str
    trainer: str

    def folder_in(self, weights: Path) -> Path:
        """Return the folder with this network's plans and checkpoint, inside a weights folder."""
        return weights / self.dataset / f"{self.trainer}__nnUNetPlans__3d_fullres"

    @property
    def download(self) -> str:
        """The name that ``totalseg_download_weights -t`` takes to download this network."""
        return self.task if self.mode == "default" else f"{self.task}_fast"


TOTAL_3MM = SegmenterModel(
    task="total",
    mode="fast",
    task_id=297,
    spacing_mm=3.0,
    dataset="Dataset297_TotalSegmentator_total_3mm_1559subj",
    trainer="nnUNetTrainer_4000epochs_NoMirroring",
)
TOTAL_6MM = SegmenterModel(
    task="total",
    mode="fastest",
    task_id=298,
    spacing_mm=6.0,
    dataset="Dataset298_TotalSegmentator_total_6mm_1559subj",
    trainer="nnUNetTrainer_4000epochs_NoMirroring",
)
# Task ``total`` at 1.5 mm consists of five networks, each for some organs. If two of them label the
# same voxel, the later one wins.
TOTAL_PARTS = tuple(
    SegmenterModel(
        task="total",
        mode="default",
        task_id=task_id,
        spacing_mm=1.5,
        dataset=f"Dataset{task_id}_TotalSegmentator_{name}",
        trainer="nnUNetTrainerNoMirroring",
    )
    for task_id, name in (
        (291, "part1_organs_1559subj"),
        (292, "part2_vertebrae_1532subj"),
        (293, "part3_cardiac_1559subj"),
        (294, "part4_muscles_1559subj"),
        (295, "part5_ribs_1559subj"),
    )
)
ORGANS_PART = TOTAL_PARTS[0]  # the part with the pancreas
BODY_6MM = SegmenterModel(
    task="body",
    mode="fast",
    task_id=300,
    spacing_mm=6.0,
    dataset="Dataset300_body_6mm_1559subj",
    trainer="nnUNetTrainer",
)


def networks_for(crop: Crop) -> list[SegmenterModel]:
    """Return the networks that a sweep of a crop runs.

    These are the two that find organs and, for the semi-body crop, the one that finds the trunk.
    """
    return [TOTAL_3MM, TOTAL_6MM, *([BODY_6MM] if crop is Crop.SEMI_BODY else [])]


def called_with(model: SegmenterModel) -> tuple[SegmenterModel, ...]:
    """Return all networks that the package runs if it is asked for this one.

    At 1.5 mm these are all five parts of task ``total``.
    """
    return TOTAL_PARTS if model in TOTAL_PARTS else (model,)


def check_weights(folder: Path, models: Sequence[SegmenterModel]) -> None:
    """Raise InputError unless the weights of all models are in the folder ``folder``.

    The error names the command that downloads them. Nothing is downloaded here.
    """
    for model in models:
        remedy = (
            f"run `TOTALSEG_WEIGHTS_PATH={folder} totalseg_download_weights "
            f"-t {model.download}` once with network access, or unpack it from {RELEASES}"
        )
        dataset = folder / model.dataset
        if not dataset.is_dir():
            raise InputError(
                f"task {model.task} at {model.spacing_mm:g} mm needs the folder {model.dataset}",
                seen=f"{folder} {_listing(folder)}",
                remedy=remedy,
            )
        for name in MODEL_FILES:
            path = model.folder_in(folder) / name
            if not path.is_file() or path.stat().st_size == 0:
                raise InputError(
                    f"the weights in {dataset} are incomplete",
                    seen=f"{path} is missing or empty",
                    remedy=f"delete {dataset}, then {remedy}",
                )


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "does not exist"
    names = sorted(path.name for path in folder.iterdir())
    return f"has {', '.join(names)}" if names else "is empty"


def is_phantom_weights(folder: Path) -> bool:
    """Return True if a folder holds the small weights trained on phantoms.

    They are useless on real scans.
    """
    return (folder / MARKER).is_file()
