"""The tiny nnU-Nets for phantoms, described as nnU-Net wants it: architecture, plans, labels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.organs import private_nnunet
from evaluation.organs.private_totalsegmentator import class_names, class_names_of_part
from evaluation.organs.weights import (
    BODY_6MM,
    ORGANS_PART,
    TOTAL_3MM,
    TOTAL_6MM,
    TOTAL_PARTS,
    SegmenterModel,
)

if TYPE_CHECKING:
    from torch import nn

NETWORK_CLASS = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
IMPORTED_ARGUMENTS = ["conv_op", "norm_op", "dropout_op", "nonlin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One tiny network: its TotalSegmentator model, its size, and how it reads HU.

    The first ``n_pointwise`` stages, where a convolution costs most, have one that is a voxel wide.
    ``window_hu`` clips the intensities; its lower end becomes 0, so that nnU-Net's zero padding
    means air. ``patch_zyx`` is a whole phantom, so that one tile suffices; a network that is not
    trained tiles it.
    """

    model: SegmenterModel
    features: tuple[int, ...]
    n_pointwise: int
    patch_zyx: tuple[int, int, int]
    window_hu: tuple[float, float]
    class_names: tuple[str, ...]
    pancreas_handicap: float  # taken off its logit: an invented pancreas is worse than a thin one


def layout_of(task_id: int) -> Layout:
    """The layout of model 291 to 295, 297, 298 or 300."""
    layouts = (*_trained(), *map(_silent, TOTAL_PARTS[1:]))
    return next(layout for layout in layouts if layout.model.task_id == task_id)


def _silent(model: SegmenterModel) -> Layout:
    """A part without an organ that phantom weights know: the smallest network, of one class."""
    return Layout(
        model=model,
        features=(1, 1),
        n_pointwise=1,
        patch_zyx=(64, 80, 96),
        window_hu=(-300.0, 400.0),
        class_names=_part_names(model)[:1],
        pancreas_handicap=0.0,
    )


def _part_names(model: SegmenterModel) -> tuple[str, ...]:
    """The classes of a part of task ``total``, in order."""
    return tuple(class_names_of_part(model.task_id).values())


def _trained() -> tuple[Layout, ...]:
    names = class_names("total")
    total = tuple(names[label] for label in range(1, 21))  # spleen to colon
    return (
        Layout(
            model=ORGANS_PART,
            features=(16, 16, 16, 32, 64),
            n_pointwise=2,
            patch_zyx=(128, 160, 192),
            window_hu=(-300.0, 400.0),
            class_names=_part_names(ORGANS_PART)[:20],  # spleen to colon again
            pancreas_handicap=1.0,
        ),
        Layout(
            model=TOTAL_3MM,
            features=(16, 16, 32, 64),
            n_pointwise=1,
            patch_zyx=(64, 80, 96),
            window_hu=(-300.0, 400.0),
            class_names=total,
            pancreas_handicap=2.0,
        ),
        Layout(
            model=TOTAL_6MM,
            features=(16, 32, 64),
            n_pointwise=0,
            patch_zyx=(32, 40, 48),
            window_hu=(-300.0, 400.0),
            class_names=total,
            pancreas_handicap=2.7,
        ),
        Layout(
            model=BODY_6MM,
            features=(8, 16, 32),
            n_pointwise=0,
            patch_zyx=(32, 40, 48),
            window_hu=(-1000.0, 500.0),
            class_names=("body_trunc", "body_extremities"),
            pancreas_handicap=0.0,
        ),
    )


def network_arguments(layout: Layout) -> dict[str, object]:
    """Arguments of nnU-Net's PlainConvUNet: one convolution at full resolution, two below."""
    n, n_pointwise = len(layout.features), layout.n_pointwise
    n_single = max(1, n_pointwise)
    return {
        "n_stages": n,
        "features_per_stage": list(layout.features),
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[1, 1, 1]] * n_pointwise + [[3, 3, 3]] * (n - n_pointwise),
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (n - 1),
        "n_conv_per_stage": [1] * n_single + [2] * (n - n_single),
        "n_conv_per_stage_decoder": [1] * (n - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


def build_network(layout: Layout, n_channels: int) -> "nn.Module":
    """The network of a layout, freshly initialized, with ``n_channels`` outputs."""
    return private_nnunet.build_network(
        NETWORK_CLASS, network_arguments(layout), IMPORTED_ARGUMENTS, n_outputs=n_channels
    )


def plans_of(layout: Layout) -> dict[str, object]:
    """nnU-Net's plans.json for one layout."""
    spacing = [layout.model.spacing_mm] * 3
    patch = list(layout.patch_zyx)
    low_hu, high_hu = layout.window_hu
    by_order = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    resample = "resample_data_or_seg_to_shape"
    intensities = {
        "mean": low_hu,
        "std": (high_hu - low_hu) / 4,
        "percentile_00_5": low_hu,
        "percentile_99_5": high_hu,
        "median": 0.0,
        "min": -1024.0,
        "max": 3071.0,
    }
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": patch,
        "median_image_size_in_voxels": patch,
        "spacing": spacing,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": resample,
        "resampling_fn_data_kwargs": by_order,
        "resampling_fn_seg": resample,
        "resampling_fn_seg_kwargs": by_order | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": resample,
        "resampling_fn_probabilities_kwargs": by_order | {"order": 1},
        "architecture": {
            "network_class_name": NETWORK_CLASS,
            "arch_kwargs": network_arguments(layout),
            "_kw_requires_import": IMPORTED_ARGUMENTS,
        },
        "batch_dice": False,
    }
    return {
        "dataset_name": layout.model.dataset,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": spacing,
        "original_median_shape_after_transp": patch,
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensities},
        "configurations": {"3d_fullres": configuration},
    }


def dataset_of(layout: Layout) -> dict[str, object]:
    """nnU-Net's dataset.json: labels are consecutive, so the last ones can be left out."""
    labels = {"background": 0} | {name: i for i, name in enumerate(layout.class_names, start=1)}
    return {
        "channel_names": {"0": "CT"},
        "labels": labels,
        "numTraining": 0,
        "file_ending": ".nii.gz",
    }
