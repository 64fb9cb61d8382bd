"""A checkpoint that could run code is refused before nnU-Net loads it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.organs.checkpoint_guard import FORCE
from evaluation.organs.segmentation import PHANTOM_WEIGHTS, TOTAL_6MM, WarmSegmenter
from evaluation.organs.weights import MODEL_FILES
from ldm.errors import InputError


class RunsCode:
    """An object that creates a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def weights(tmp_path):
    """Return a copy of the 6 mm network's folder, the content of its checkpoint, and its path."""
    folder = TOTAL_6MM.folder_in(tmp_path)
    shutil.copytree(TOTAL_6MM.folder_in(PHANTOM_WEIGHTS), folder)
    path = folder / MODEL_FILES[-1]
    return tmp_path, torch.load(path, weights_only=True), path


def test_code_in_a_checkpoint_is_not_run_and_the_file_is_named(weights, tmp_path):
    root, content, path = weights
    torch.save(content | {"logging": RunsCode(tmp_path / "executed")}, path)
    with pytest.raises(InputError, match=rf"{path} holds more than weights"):
        WarmSegmenter(TOTAL_6MM, weights=root)
    assert not (tmp_path / "executed").exists()


def test_a_web_page_in_place_of_a_checkpoint_is_named(weights):
    root, _, path = weights
    path.write_text("<!DOCTYPE html><html>404</html>")
    with pytest.raises(InputError, match=rf"{path} cannot be read .* because it is a web page"):
        WarmSegmenter(TOTAL_6MM, weights=root)


def test_what_nnunet_itself_saves_beside_weights_is_loaded(weights):
    root, content, path = weights
    logged = {"mean_fg_dice": [np.float64(0.5)], "train_losses": [np.float32(0.1), 0.2]}
    more = {"logging": logged, "_best_ema": np.float64(0.5), "current_epoch": 1000}
    arguments = content["init_args"] | {"fold": 0, "device": torch.device("cuda")}
    torch.save(content | more | {"init_args": arguments}, path)
    WarmSegmenter(TOTAL_6MM, weights=root)


def test_the_environment_is_as_it_was_when_a_network_is_loaded():
    WarmSegmenter(TOTAL_6MM, weights=PHANTOM_WEIGHTS)
    assert FORCE not in os.environ
