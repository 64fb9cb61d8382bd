"""Checkpoints and samplers are read back completely, or rejected with the reason."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ldm.config import Whitening
from ldm.diffusion.checkpoint import Sampler, load_sampler, save_sampler
from ldm.errors import InputError
from ldm.fingerprints import fingerprint
from tests.support.small_training import WHITENING, run_epochs, tiny_config, tiny_training


@pytest.fixture(scope="module")
def trained():
    """A training after one epoch. Tests must not train it further."""
    training = tiny_training()
    run_epochs(training, 1)
    return training


@pytest.fixture
def checkpoint(tmp_path, trained):
    trained.save(tmp_path)
    return tmp_path


@pytest.fixture
def sampler_folder(tmp_path, trained):
    save_sampler(tmp_path / "sampler", trained.sampler())
    return tmp_path / "sampler"


def test_resuming_restores_the_position(checkpoint, trained):
    resumed = tiny_training()
    resumed.resume(checkpoint)
    assert resumed.position == trained.position
    assert (resumed.position.epoch, resumed.position.step) == (1, 2)


def test_a_checkpoint_is_two_files_and_nothing_else(checkpoint):
    assert {path.name for path in checkpoint.iterdir()} == {"state.json", "tensors.safetensors"}


def test_a_checkpoint_may_be_written_again(checkpoint, trained):
    before = (checkpoint / "tensors.safetensors").read_bytes()
    trained.save(checkpoint)
    assert (checkpoint / "tensors.safetensors").read_bytes() == before


def test_a_fresh_training_can_be_saved_and_resumed(tmp_path):
    tiny_training().save(tmp_path)
    resumed = tiny_training()
    resumed.resume(tmp_path)
    assert resumed.position.epoch == 0


def test_a_checkpoint_of_another_configuration_is_refused_naming_both(checkpoint):
    other = tiny_config(seed=5)
    both = rf"written by configuration {fingerprint(tiny_config())}, .* {fingerprint(other)}"
    with pytest.raises(InputError, match=both):
        tiny_training(other).resume(checkpoint)


@pytest.mark.parametrize("kept", [0, 4, 1000, -1])
def test_tensors_that_end_early_are_refused_naming_the_file(checkpoint, kept):
    path = checkpoint / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=rf"{path} is missing or damaged .*remove its folder"):
        tiny_training().resume(checkpoint)


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
def test_a_file_that_is_missing_is_named(checkpoint, name):
    (checkpoint / name).unlink()
    with pytest.raises(InputError, match=rf"{checkpoint / name} is missing or damaged"):
        tiny_training().resume(checkpoint)


def test_a_state_that_ends_early_is_refused_naming_the_file(checkpoint):
    path = checkpoint / "state.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(InputError, match=rf"{path} is missing or damaged"):
        tiny_training().resume(checkpoint)


class Hostile:
    """An object that creates a file when it is unpickled."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return Path.touch, (self.proof,)


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
@pytest.mark.parametrize("write", [lambda it, to: to.write_bytes(pickle.dumps(it)), torch.save])
def test_a_pickle_is_refused_and_not_run(checkpoint, tmp_path, name, write):
    proof = tmp_path / "it-was-run"
    pickle.loads(pickle.dumps(Hostile(proof)))
    assert proof.exists()  # unpickling does create the file
    proof.unlink()
    write(Hostile(proof), checkpoint / name)
    with pytest.raises(InputError, match=rf"{checkpoint / name} is missing or damaged"):
        tiny_training().resume(checkpoint)
    assert not proof.exists()


@pytest.mark.parametrize("kind", ["network", "average", "optimizer", "generator"])
def test_tensors_without_a_part_are_refused_naming_the_folder(checkpoint, kind):
    path = checkpoint / "tensors.safetensors"
    tensors = load_file(path)
    save_file({name: t for name, t in tensors.items() if not name.startswith(kind)}, path)
    with pytest.raises(InputError, match=f"{checkpoint} does not hold a complete checkpoint"):
        tiny_training().resume(checkpoint)


@pytest.mark.parametrize("key", ["position", "optimizer_groups"])
def test_a_state_without_a_part_is_refused_naming_the_folder(checkpoint, key):
    path = checkpoint / "state.json"
    state = json.loads(path.read_text())
    del state[key]
    path.write_text(json.dumps(state))
    with pytest.raises(InputError, match=f"{checkpoint} does not hold a complete checkpoint"):
        tiny_training().resume(checkpoint)


TRAIN_UNTIL_KILLED = """
import sys
from pathlib import Path
from tests.support.small_training import run_epochs, tiny_config, tiny_training
training = tiny_training(tiny_config(epochs=99))
run_epochs(training, 5)
training.save(Path(sys.argv[1]))
print("saved", flush=True)
run_epochs(training, 99)
"""


def test_a_killed_and_resumed_training_has_the_weights_of_an_uninterrupted_one(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", TRAIN_UNTIL_KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as killed:
        assert killed.stdout.readline() == "saved\n"  # after 10 steps
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    resumed, whole = tiny_training(tiny_config(epochs=99)), tiny_training(tiny_config(epochs=99))
    resumed.resume(tmp_path)
    assert resumed.position.step == 10
    run_epochs(resumed, 5)
    run_epochs(whole, 10)
    for training, name in ((resumed, "resumed"), (whole, "whole")):
        (tmp_path / name).mkdir()
        training.save(tmp_path / name)
    assert whole.position.step == 20
    for name in ("tensors.safetensors", "state.json"):
        one, other = ((tmp_path / kind / name).read_bytes() for kind in ("resumed", "whole"))
        assert one == other, name


def test_a_sampler_is_read_back(sampler_folder, trained):
    read = load_sampler(sampler_folder)
    assert (read.config, read.whitening, read.epoch) == (tiny_config(), WHITENING, 1)
    for name, value in trained.average.state_dict().items():
        torch.testing.assert_close(read.weights[name], value, rtol=0, atol=0)


@pytest.mark.parametrize(("undoes", "std"), [(True, (1.0, 2.0, 0.5, 1.0)), (False, (1.0,) * 4)])
def test_a_sampler_undoes_the_whitening_before_decoding_if_its_recipe_does(undoes, std):
    config = tiny_config(whitening=Whitening.SCALAR)
    sampling = dataclasses.replace(config.sampling, undoes_whitening=undoes)
    config = dataclasses.replace(config, sampling=sampling)
    sampler = Sampler(config=config, whitening=WHITENING, epoch=1, weights={})
    assert sampler.undone_by_decoding.std == std
    assert (sampler.undone_by_decoding == WHITENING) is undoes


def test_a_sampler_does_not_change_with_later_training(tmp_path):
    training = tiny_training()
    save_sampler(tmp_path / "sampler", training.sampler())
    run_epochs(training, 1)
    kept = load_sampler(tmp_path / "sampler").weights
    now = training.average.state_dict()
    assert not all(torch.equal(kept[name], now[name]) for name in kept)


def test_a_sampler_without_whitening_is_refused(sampler_folder):
    path = sampler_folder / "sampler.json"
    meta = json.loads(path.read_text())
    del meta["whitening"]
    path.write_text(json.dumps(meta))
    with pytest.raises(InputError, match=f"{sampler_folder}: a sampler needs whitening statistics"):
        load_sampler(sampler_folder)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("config", "denoiser", "norm_groups"), -4, "norm_groups must divide the channels"),
        (("whitening", "std"), [1.0, 0.0, 1.0, 1.0], "standard deviations must be positive"),
        (("whitening", "mean"), [0.0], "as many means as standard deviations, got 1 and 4"),
    ],
)
def test_a_sampler_that_cannot_sample_is_refused_with_the_file(sampler_folder, path, value, rule):
    file = sampler_folder / "sampler.json"
    meta = json.loads(file.read_text())
    part = meta
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    file.write_text(json.dumps(meta))
    with pytest.raises(InputError, match=rf"^{file}: .*{rule}"):
        load_sampler(sampler_folder)


def test_a_sampler_with_the_whitening_of_another_autoencoder_is_refused(sampler_folder):
    file = sampler_folder / "sampler.json"
    meta = json.loads(file.read_text())
    file.write_text(json.dumps(meta | {"whitening": {"mean": [0.0] * 8, "std": [1.0] * 8}}))
    with pytest.raises(InputError, match=r"for each of the 4 channels of a latent, .* has 8"):
        load_sampler(sampler_folder)


def test_a_sampler_of_other_fields_is_refused(sampler_folder):
    path = sampler_folder / "sampler.json"
    meta = json.loads(path.read_text())
    meta["config"]["training"]["momentum"] = 0.9
    path.write_text(json.dumps(meta))
    with pytest.raises(InputError, match=r"unknown keys \['momentum'\]"):
        load_sampler(sampler_folder)


def test_a_sampler_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"sampler\.json is missing or damaged"):
        load_sampler(tmp_path / "none")


def test_the_first_of_two_samplers_stays_and_nothing_else_is_left(sampler_folder, trained):
    save_sampler(sampler_folder, dataclasses.replace(trained.sampler(), epoch=99))
    assert load_sampler(sampler_folder).epoch == 1
    assert [path.name for path in sampler_folder.parent.iterdir()] == ["sampler"]
