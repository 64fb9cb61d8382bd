"""State dicts are found in files of any layout, and nothing in a file is executed."""

import argparse
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ldm.errors import InputError
from ldm.files.state_dict import read_state_dict, read_state_dicts
from tests.support.own_log import own_messages

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def refusal(path):
    with pytest.raises(InputError) as raised:
        read_state_dict(path)
    assert str(path) in str(raised.value)
    return str(raised.value)


def assert_same(found, expected=STATE):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value)


def optimizer():
    layer = torch.nn.Linear(3, 2)
    adam = torch.optim.Adam(layer.parameters())
    layer(torch.ones(3)).sum().backward()
    adam.step()
    return adam.state_dict()


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"epoch": 3, "state_dict": STATE, "scale_factor": 0.9}, "state_dict"),
        ({"epoch": 3, "state_dict": STATE, "scale_factor": torch.tensor(0.9)}, "state_dict"),
        ({"model": STATE, "optimizer": optimizer()}, "model"),
        ({"unet_state_dict": STATE, "loss": [0.1, 0.2], "best": None}, "unet_state_dict"),
        ({"checkpoint": {"model": STATE, "epoch": 2}}, "checkpoint.model"),
        ({"model": STATE, "ema": {"shadow": STATE, "decay": 0.9}}, "model"),
    ],
)
def test_the_only_state_dict_of_a_checkpoint_is_taken_and_said(tmp_path, caplog, content, key):
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path)
    assert_same(read_state_dict(path))
    assert own_messages(caplog) == [f"{path}: took the weights under its key {key!r}"]


def test_a_state_dict_itself_is_taken_without_a_word(tmp_path, caplog):
    torch.save(STATE, tmp_path / "w.pt")
    assert_same(read_state_dict(tmp_path / "w.pt"))
    assert not own_messages(caplog)


def test_plain_values_beside_the_weights_are_ignored_and_said(tmp_path, caplog):
    path = tmp_path / "w.pt"
    torch.save({"epoch": 3, **STATE, "scale_factor": 0.9}, path)
    assert_same(read_state_dict(path))
    assert own_messages(caplog) == [
        f"{path}: ignored what is not a tensor: 'epoch', 'scale_factor'"
    ]


def test_several_state_dicts_are_refused_with_their_keys(tmp_path):
    torch.save({"model": STATE, "ema": STATE, "epoch": 1}, tmp_path / "two.pt")
    assert list(read_state_dicts(tmp_path / "two.pt")) == [("model",), ("ema",)]
    assert "one under each of the keys 'ema', 'model'" in refusal(tmp_path / "two.pt")


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ([torch.zeros(2)], "it holds a list"),
        (torch.zeros(2), "it holds a Tensor"),
        ({}, "it holds nothing"),
        ({"epoch": 3, "loss": torch.zeros(1)}, "it holds 'epoch' (int), 'loss' (Tensor)"),
        ({"a": {"b": [torch.zeros(2)]}}, "it holds 'a' (dict)"),
        (
            {**STATE, "steps": [1, 2]},
            "it holds 'steps' (list), 'a.weight' (Tensor), 'a.bias' (Tensor)",
        ),
        ({0: torch.zeros(2)}, "it holds 0 (Tensor)"),
        ({"optimizer": optimizer()}, "it holds 'optimizer' (dict)"),
    ],
)
def test_a_torch_file_of_another_structure_is_refused_with_its_keys(tmp_path, content, seen):
    torch.save(content, tmp_path / "other.pt")
    error = refusal(tmp_path / "other.pt")
    assert f"must hold a mapping of names to tensors, {seen}: give" in error


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.module."])
def test_prefixes_of_wrappers_are_removed(tmp_path, prefix):
    torch.save({prefix + name: value for name, value in STATE.items()}, tmp_path / "w.pt")
    assert_same(read_state_dict(tmp_path / "w.pt"))


def test_the_names_of_parts_that_were_compiled_are_restored(tmp_path):
    torch.save({"a._orig_mod.weight": STATE["a.weight"], "a.bias": torch.ones(2)}, tmp_path / "w")
    assert_same(read_state_dict(tmp_path / "w"))


def test_a_part_that_is_called_module_keeps_its_name(tmp_path):
    state = {"module.a": torch.ones(2), "b": torch.ones(1)}
    torch.save(state, tmp_path / "w.pt")
    assert_same(read_state_dict(tmp_path / "w.pt"), state)


@pytest.mark.parametrize(
    ("write", "name"),
    [(save_file, "w.pt"), (save_file, "w.bin"), (torch.save, "w.safetensors"), (torch.save, "w")],
)
def test_the_name_of_a_file_does_not_matter(tmp_path, write, name):
    write(STATE, tmp_path / name)
    assert_same(read_state_dict(tmp_path / name))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"", "it is empty"),
        (b"<html>404</html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 9\n", "stands for a file of 9 bytes"),
    ],
)
def test_a_file_without_weights_is_refused_as_what_it_is(tmp_path, suffix, content, seen):
    (tmp_path / f"weights{suffix}").write_bytes(content)
    error = refusal(tmp_path / f"weights{suffix}")
    assert seen in error
    assert "could run code" not in error


def write_old(state, path, **options):
    torch.save(state, path, _use_new_zipfile_serialization=False, **options)


@pytest.mark.parametrize("write", [torch.save, write_old, save_file])
@pytest.mark.parametrize("n_kept", [20, 70, -1])
def test_a_file_that_ends_early_is_refused_as_damaged(tmp_path, write, n_kept):
    path = tmp_path / "weights.pt"
    write(STATE, path)
    path.write_bytes(path.read_bytes()[:n_kept])
    error = refusal(path)
    assert "cannot be read as weights" in error
    assert "could run code" not in error


@pytest.mark.parametrize("write", [torch.save, write_old])
@pytest.mark.parametrize("protocol", [0, 1, 4, 5])
def test_a_pickle_protocol_that_torch_cannot_read_safely_is_named(tmp_path, write, protocol):
    write(STATE, tmp_path / "w.pt", pickle_protocol=protocol)
    error = refusal(tmp_path / "w.pt")
    assert f"a torch file with pickle protocol {protocol if protocol > 1 else '0 or 1'}, " in error
    assert "`torch.save(torch.load(FILE, weights_only=False), NEW_FILE)`" in error


@pytest.mark.parametrize("write", [torch.save, write_old])
@pytest.mark.parametrize("protocol", [2, 3])
def test_a_pickle_protocol_that_torch_can_read_safely_is_read(tmp_path, write, protocol, recwarn):
    write(STATE, tmp_path / "w.pt", pickle_protocol=protocol)
    assert_same(read_state_dict(tmp_path / "w.pt"))
    assert not recwarn


class RunsCode:
    """Unpickling it makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize(
    ("dump", "seen"),
    [
        (torch.save, "holds more than weights"),
        (write_old, "holds more than weights"),
        (lambda o, path: path.write_bytes(pickle.dumps(o)), "is a pickle that torch did not write"),
    ],
)
def test_code_in_a_file_is_not_executed(tmp_path, dump, seen):
    marker = tmp_path / "executed"
    dump(RunsCode(marker), tmp_path / "evil.pt")
    assert seen in refusal(tmp_path / "evil.pt")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"model": STATE, "args": argparse.Namespace(rate=1)}, "argparse.Namespace"),
    ],
)
def test_an_object_beside_weights_is_named(tmp_path, content, name):
    torch.save(content, tmp_path / "more.pt")
    assert f"holds more than weights ({name})" in refusal(tmp_path / "more.pt")


def test_a_folder_is_refused_as_one(tmp_path):
    assert f"weights must be in a file, {tmp_path} is a folder" in refusal(tmp_path)
