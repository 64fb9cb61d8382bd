"""A training in its folder: the files that it writes, and resuming it."""

import json
from itertools import islice

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ldm.autoencoder.model import load_autoencoder
from ldm.autoencoder.quality import WEIGHTS_FILE, describe_quality, read_qualities
from ldm.autoencoder.run import AutoencoderRun
from ldm.config import Crop
from ldm.fingerprints import fingerprint
from tests.support.small_autoencoder import tiny_config, tiny_scans

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return tiny_scans(tmp_path_factory.mktemp("grids"))


def run_in(folder, scans, config=None):
    torch.set_num_threads(1)
    return AutoencoderRun(
        config or tiny_config(), scans, folder=folder, perceptual=None, device=CPU
    )


@pytest.fixture(scope="module")
def finished(scans, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run = run_in(folder, scans)
    progress = list(run.progress())
    qualities, picture = run.finish()
    return folder, progress, qualities, picture


def test_a_training_that_has_not_ended_has_no_evaluation(tmp_path):
    assert read_qualities(tmp_path) is None


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_finished_training_leaves_weights_that_load(finished):
    folder, _, _, _ = finished
    network = load_autoencoder(tiny_config().autoencoder, folder / WEIGHTS_FILE, CPU)
    assert not network.training


def test_the_weights_are_in_half_precision_and_say_what_made_them(finished):
    with safe_open(finished[0] / WEIGHTS_FILE, framework="pt") as file:
        made_of = json.loads(file.metadata()["pancreatune"])
    assert made_of == {"config": fingerprint(tiny_config()), "step": 10}
    kinds = {tensor.dtype for tensor in load_file(finished[0] / WEIGHTS_FILE).values()}
    assert kinds == {torch.float16}


def test_held_out_scans_are_evaluated_when_due_and_at_the_end(finished):
    folder, progress, qualities, picture = finished
    assert [bool(one.qualities) for one in progress] == [False] * 4 + [True] + [False] * 5
    assert {one.crop for one in qualities} == {Crop.FULL_BODY, Crop.PANCREAS}
    written = json.loads((folder / "evaluation.json").read_text())
    assert [one["error_hu"] for one in written["crops"]] == [one.error_hu for one in qualities]
    assert picture.name == "step_0000010.png"
    assert {p.name for p in picture.parent.iterdir()} == {"step_0000005.png", picture.name}


def test_each_report_is_a_line(finished):
    lines = lines_of(finished[0])
    assert [line["step"] for line in lines] == list(range(1, 11))
    assert "pancreas/psnr_db" in lines[4]


def test_the_quality_is_described_in_one_line_per_crop(finished):
    lines = describe_quality(finished[2])
    assert len(lines) == 2
    assert "HU" in lines[0]


def test_a_finished_training_has_nothing_left_to_train(finished, scans):
    folder, _, qualities, _ = finished
    again = run_in(folder, scans)
    assert list(again.progress()) == []
    assert again.finish()[0] == qualities == read_qualities(folder)


def test_a_resumed_training_ends_with_the_same_weights(finished, scans, tmp_path):
    stopped = run_in(tmp_path, scans)
    list(islice(stopped.progress(), 7))  # the last checkpoint is that of step 5
    resumed = run_in(tmp_path, scans)
    assert resumed.training.step == 5
    list(resumed.progress())
    resumed.finish()
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == (finished[0] / WEIGHTS_FILE).read_bytes()
    assert [line["step"] for line in lines_of(tmp_path)] == list(range(1, 11))
