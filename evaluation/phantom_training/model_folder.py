"""Write the phantom weights in the folder layout that TotalSegmentator and nnU-Net read.

The networks are small nnU-Nets trained on generated phantoms. They exist for tests and for trying
the program offline, not for patients. A marker file in the folder says so.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.organs.weights import MARKER, PANCREAS
from evaluation.phantom_training.layout import Layout, build_segmenter, dataset_of, plans_of

if TYPE_CHECKING:
    from torch import Tensor

UNUSED_BIAS = -30.0  # logit of a class that phantoms lack, so low that it never wins


def spread_channels(
    state: Mapping[str, "Tensor"], trained_labels: list[int], n_channels: int
) -> dict[str, "Tensor"]:
    """Return the state with output layers widened to ``n_channels`` channels.

    The trained channels move to ``trained_labels``. All other channels get weights and a bias with
    which they never win.
    """
    import torch

    spread = dict(state)
    for name, value in state.items():
        if ".seg_layers." not in name:
            continue
        fill = UNUSED_BIAS if name.endswith("bias") else 0.0
        spread[name] = torch.full((n_channels, *value.shape[1:]), fill)
        spread[name][trained_labels] = value
    return spread


def handicap_pancreas(state: dict[str, "Tensor"], handicap: float) -> None:
    """Subtract ``handicap`` from the bias of the pancreas in all output layers, in place.

    A bias that several layers share is changed only once.
    """
    done: set[int] = set()
    for name, value in state.items():
        is_output = ".seg_layers." in name and name.endswith("bias")
        if is_output and len(value) > PANCREAS and value.data_ptr() not in done:
            value[PANCREAS] -= handicap
            done.add(value.data_ptr())


def read_training_state(folder: Path, layout: Layout) -> dict[str, "Tensor"]:
    """Read the weights of a network that ``write_model`` wrote to ``folder``, as float32."""
    import torch

    path = layout.model.folder_in(folder) / "fold_0" / "checkpoint_final.pth"
    weights = torch.load(path, weights_only=True)["network_weights"]
    return {name: value.float() for name, value in weights.items()}


def read_origin(folder: Path, layout: Layout) -> str:
    """Return the number of a layout's network, and how it was made.

    The latter is what ``write_model`` recorded in the marker in ``folder``.
    """
    made_by: dict[str, str] = json.loads((folder / MARKER).read_text())["made_by"]
    return f"{layout.model.task_id}: {made_by[layout.model.dataset]}"


def adopt(
    state: Mapping[str, "Tensor"],
    trained: Mapping[str, "Tensor"],
    labels: list[int],
    *,
    is_grown: bool,
) -> dict[str, "Tensor"]:
    """Return ``state`` with the weights of a trained network wherever names and shapes agree.

    Parameters
    ----------
    state
        The state of the new network.
    trained
        The state of the trained network, with output channels for all labels.
    labels
        The output channels of ``trained`` that the new network has.
    is_grown
        Whether the new network has one more stage, at the highest resolution. Stage i of the
        trained encoder then becomes stage i + 1 of the new one.
    """
    adopted = dict(state)
    for name, value in trained.items():
        place = re.sub(r"encoder\.stages\.(\d+)", _next_stage, name) if is_grown else name
        own = value[labels] if ".seg_layers." in name else value
        if place in adopted and adopted[place].shape == own.shape:
            adopted[place] = own
    return adopted


def _next_stage(match: re.Match[str]) -> str:
    return f"encoder.stages.{int(match[1]) + 1}"


def _halve(state: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Return the state as float16.

    Tensors that share memory still share it afterwards; otherwise the file would be three times as
    large.
    """
    import torch

    seen: dict[tuple[int, tuple[int, ...]], Tensor] = {}
    halved = {}
    for name, value in state.items():
        key = (value.data_ptr(), tuple(value.shape))
        if key not in seen:
            seen[key] = value.detach().clone().to(torch.float16)
        halved[name] = seen[key]
    return halved


def write_model(
    folder: Path, layout: Layout, state: Mapping[str, "Tensor"], *, made_by: str
) -> Path:
    """Write one network below ``folder`` in TotalSegmentator's layout, and update the marker.

    ``made_by`` says how the network was made and is kept in the marker. Returns the path of the
    checkpoint.
    """
    import torch

    model_folder = layout.model.folder_in(folder)
    (model_folder / "fold_0").mkdir(parents=True, exist_ok=True)
    (model_folder / "plans.json").write_text(json.dumps(plans_of(layout), indent=1) + "\n")
    (model_folder / "dataset.json").write_text(json.dumps(dataset_of(layout), indent=1) + "\n")
    checkpoint = {
        "network_weights": _halve(state),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": "3d_fullres"},
        "inference_allowed_mirroring_axes": None,
    }
    path = model_folder / "fold_0" / "checkpoint_final.pth"
    temporary = path.with_suffix(".tmp")
    torch.save(checkpoint, temporary)
    temporary.replace(path)
    _mark(folder, layout, made_by)
    return path


def write_background_only(folder: Path, layout: Layout) -> Path:
    """Write a network that finds nothing: it labels every voxel as background.

    It stands in for a network of TotalSegmentator that must exist although phantoms have nothing
    that it could find. The network is not trained; the biases of its last layer make background
    win. ``folder`` and ``layout`` are those of ``write_model``. Returns the path of the checkpoint.
    """
    import torch

    torch.manual_seed(layout.model.task_id)
    state = build_segmenter(layout, 1).state_dict()
    silent = spread_channels(state, [0], len(layout.class_names) + 1)
    return write_model(folder, layout, silent, made_by="not trained: it finds nothing")


def _mark(folder: Path, layout: Layout, made_by: str) -> None:
    marker = folder / MARKER
    made = json.loads(marker.read_text())["made_by"] if marker.exists() else {}
    made[layout.model.dataset] = made_by
    text = "Trained on generated phantoms by evaluation.phantom_training: wrong on every real scan."
    marker.write_text(json.dumps({"what": text, "made_by": made}, indent=1) + "\n")
