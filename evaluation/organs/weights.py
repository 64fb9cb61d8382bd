"""The networks of TotalSegmentator that pancreatune uses, and the check that their weights exist.

Weights are never downloaded from here. If some are missing, the error names them and the command
that downloads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ldm.config import Crop
from ldm.errors import InputError

PANCREAS = 7  # in task ``total``
BODY_TRUNC = 1  # in task ``body``
PHANTOM_WEIGHTS = Path(__file__).parents[1] / "weights"
MARKER = "PHANTOM_ONLY.json"  # a file that marks weights which are wrong on every real scan
MODEL_FILES = ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth")
RELEASES = "https://github.com/wasserth/TotalSegmentator/releases"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterModel:
    """One network of TotalSegmentator.

    Attributes
    ----------
    task
        The package's task, "total" or "body".
    mode
        The package's speed setting: "default", "fast" or "fastest".
    task_id
        The package's number of the network.
    spacing_mm
        Voxel size at which the network works.
    dataset, trainer
        Names of nnU-Net that make up the path of the weights.
    """

    task: str
    mode: str
    task_id: int
    spacing_mm: float
    dataset: str
    trainer: str

    def folder_in(self, weights: Path) -> Path:
        """Return the folder below ``weights`` that holds the network's plans and checkpoint."""
        return weights / self.dataset / f"{self.trainer}__nnUNetPlans__3d_fullres"

    @property
    def download(self) -> str:
        """The argument of ``totalseg_download_weights -t`` that downloads this network."""
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
# Task ``total`` at 1.5 mm consists of five networks for different organs. If two of them label the
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
ORGANS_PART = TOTAL_PARTS[0]  # the network that segments the pancreas
BODY_6MM = SegmenterModel(
    task="body",
    mode="fast",
    task_id=300,
    spacing_mm=6.0,
    dataset="Dataset300_body_6mm_1559subj",
    trainer="nnUNetTrainer",
)


def networks_for(crop: Crop) -> list[SegmenterModel]:
    """Return the networks that a sweep of ``crop`` needs.

    All crops need the 3 mm and 6 mm networks. The semi-body crop also needs the one that finds the
    trunk.
    """
    return [TOTAL_3MM, TOTAL_6MM, *([BODY_6MM] if crop is Crop.SEMI_BODY else [])]


def called_with(model: SegmenterModel) -> tuple[SegmenterModel, ...]:
    """Return all networks that the package runs together with ``model``.

    At 1.5 mm these are all five parts; otherwise it is the model alone.
    """
    return TOTAL_PARTS if model in TOTAL_PARTS else (model,)


def check_weights(folder: Path, models: Sequence[SegmenterModel]) -> None:
    """Raise InputError unless ``folder`` holds the weights of all models. Downloads nothing."""
    for model in models:
        remedy = (
            f"run `TOTALSEG_WEIGHTS_PATH={folder} totalseg_download_weights "
            f"-t {model.download}` once with network access, or unpack it from {RELEASES}"
        )
        dataset = folder / model.dataset
        if not dataset.is_dir():
            raise InputError(
                f"task {model.task} at {model.spacing_mm:g} mm needs the folder {model.dataset}, "
                f"{folder} has {_listing(folder)}: {remedy}"
            )
        for name in MODEL_FILES:
            path = model.folder_in(folder) / name
            if not path.is_file() or path.stat().st_size == 0:
                raise InputError(
                    f"the weights in {dataset} are half there, {path} is missing or empty: "
                    f"delete {dataset}, then {remedy}"
                )


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "not been made"
    return ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing in it"


def is_phantom_weights(folder: Path) -> bool:
    """Return True if the folder holds the small weights for phantoms, useless on real scans."""
    return (folder / MARKER).is_file()
