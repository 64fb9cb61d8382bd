"""TotalSegmentator's inner parts do, in the installed version, what they are used for."""

import json

import numpy as np
import pytest

from evaluation.organs.private_totalsegmentator import (
    class_names,
    class_names_of_part,
    clean_body,
    configure_package,
    register_trainers,
)
from evaluation.organs.weights import TOTAL_PARTS


@pytest.mark.parametrize(
    ("task", "label", "name"), [("total", 7, "pancreas"), ("body", 1, "body_trunc")]
)
def test_a_label_has_its_class(task, label, name):
    assert class_names(task)[label] == name


def test_the_five_parts_have_each_class_of_the_whole_once():
    parts = [class_names_of_part(model.task_id).values() for model in TOTAL_PARTS]
    assert sorted(name for part in parts for name in part) == sorted(class_names("total").values())


def test_the_packages_own_trainers_are_known_to_nnunet():
    from nnunetv2.inference import predict_from_raw_data
    from totalsegmentator.custom_trainers import nnUNetTrainerSkeletonRecall

    register_trainers()
    found = predict_from_raw_data.recursive_find_trainer_class_by_name(
        "nnUNetTrainerSkeletonRecall"
    )
    assert found is nnUNetTrainerSkeletonRecall


def test_a_body_keeps_its_largest_trunk_and_large_extremities():
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[:10, :10, :10] = 1  # the trunk, 1000 voxels
    labels[20:22, 20:22, 20:22] = 1  # 8 voxels beside it
    labels[15:25, :10, :10] = 2  # 1000 voxels of 8 mm3 are 8,000 mm3: too small
    kept = np.where(labels == 1, labels, 0)
    kept[20:22, 20:22, 20:22] = 0
    assert np.array_equal(clean_body(labels.copy(), spacing_mm=2), kept)
    kept[15:25, :10, :10] = 2  # of 64 mm3 they are 64,000 mm3: large enough
    assert np.array_equal(clean_body(labels.copy(), spacing_mm=4), kept)


def test_the_package_reads_our_configuration_and_sends_no_statistics(tmp_path, monkeypatch):
    for name in ("TOTALSEG_HOME_DIR", "TOTALSEG_WEIGHTS_PATH"):
        monkeypatch.setenv(name, "")  # so that what is set is undone
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, "")
    configure_package(tmp_path / "weights", tmp_path / "home")
    from totalsegmentator import config

    assert config.get_weights_dir() == tmp_path / "weights"
    assert config.get_config_key("send_usage_stats") is False
    assert json.loads((tmp_path / "home" / "config.json").read_text())["prediction_counter"] == 0
