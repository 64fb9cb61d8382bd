"""Describe the small nnU-Nets for phantoms in nnU-Net's terms: architecture, plans and labels."""

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
    """The architecture of one small network and its preprocessing.

    Attributes
    ----------
    model
        The network of TotalSegmentator that it stands in for.
    features
        Number of channels of each stage, from the finest to the coarsest.
    n_pointwise
        Number of stages, from the finest, whose convolutions are one voxel wide. A convolution
        costs most there.
    patch_zyx
        Size of nnU-Net's patch in voxels. For trained networks it covers a whole phantom, so that
        one patch suffices.
    window_hu
        The range to which intensities are clipped. Its lower end becomes 0, so that nnU-Net's zero
        padding means air.
    class_names
        Names of the classes, starting with label 1.
    pancreas_handicap
        Amount subtracted from the logit of the pancreas, because an invented pancreas does more
        harm than one that is too thin.
    """

    model: SegmenterModel
    features: tuple[int, ...]
    n_pointwise: int
    patch_zyx: tuple[int, int, int]
    window_hu: tuple[float, float]
    class_names: tuple[str, ...]
    pancreas_handicap: float


def layout_of(task_id: int) -> Layout:
    """Return the layout of a network by TotalSegmentator's number: 291 to 295, 297, 298 or 300."""
    layouts = (*_trained(), *map(_silent, TOTAL_PARTS[1:]))
    return next(layout for layout in layouts if layout.model.task_id == task_id)


def _silent(model: SegmenterModel) -> Layout:
    """Return the smallest possible layout, for a part of task ``total`` that is not trained.

    None of its organs is among those of the phantom weights, so it has a single class.
    """
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
    """Return the class names of a part of task ``total``, in the order of their labels."""
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
            class_names=_part_names(ORGANS_PART)[:20],  # spleen to colon, as above
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
    """Return the arguments of nnU-Net's PlainConvUNet.

    The finest stage, and every stage with pointwise convolutions, has one convolution. The other
    stages have two.
    """
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


def build_segmenter(layout: Layout, n_channels: int) -> "nn.Module":
    """Build the network of a layout with new random weights and ``n_channels`` outputs."""
    return private_nnunet.build_network(
        NETWORK_CLASS, network_arguments(layout), IMPORTED_ARGUMENTS, n_outputs=n_channels
    )


def plans_of(layout: Layout) -> dict[str, object]:
    """Return the content of nnU-Net's plans.json for one layout."""
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
    """Return the content of nnU-Net's dataset.json for one layout.

    Labels must be consecutive. The classes of a layout end where its organs end, so only the last
    ones of TotalSegmentator's classes are missing.
    """
    labels = {"background": 0} | {name: i for i, name in enumerate(layout.class_names, start=1)}
    return {
        "channel_names": {"0": "CT"},
        "labels": labels,
        "numTraining": 0,
        "file_ending": ".nii.gz",
    }
