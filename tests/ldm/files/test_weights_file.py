"""Weights of MONAI's networks, of any age, and files that are none."""

import contextlib
import io
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ldm.autoencoder.model import build_autoencoder
from ldm.config import AutoencoderConfig
from ldm.errors import InputError
from ldm.files.weights_file import load_weights

BUNDLE_LIKE = AutoencoderConfig(  # the MONAI bundle's, narrow
    latent_channels=3, channels=(8, 16, 16), n_res_blocks=2, norm_groups=8
)


def make(seed, **changes):
    torch.manual_seed(seed)
    fields = {name: getattr(BUNDLE_LIKE, name) for name in BUNDLE_LIKE.__slots__}
    return build_autoencoder(AutoencoderConfig(**fields | changes))


@pytest.fixture
def source():
    return make(0)


@pytest.fixture
def target():
    return make(1)


def old_names(state):
    """As MONAI's bundle has them: files written before MONAI renamed a convolution."""
    renamed = {name.replace("postconv", "conv"): value for name, value in state.items()}
    assert renamed.keys() != state.keys()
    return renamed


def assert_same(network, state):
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("name_them", [dict, old_names], ids=["present names", "old names"])
def test_weights_load_whatever_their_names_and_format(tmp_path, source, target, suffix, name_them):
    path = tmp_path / f"model_autoencoder.{suffix}"
    (torch.save if suffix == "pt" else save_file)(name_them(source.state_dict()), path)
    load_weights(target, path)
    assert_same(target, source.state_dict())


def test_old_names_load_as_monai_itself_loads_them(tmp_path, source, target):
    torch.save(old_names(source.state_dict()), tmp_path / "old.pt")
    load_weights(target, tmp_path / "old.pt")
    by_monai = make(2)
    with contextlib.redirect_stdout(io.StringIO()):
        by_monai.load_old_state_dict(old_names(source.state_dict()))
    assert_same(target, by_monai.state_dict())


def test_weights_under_one_key_of_a_checkpoint_load(tmp_path, source, target):
    torch.save({"model": source.state_dict()}, tmp_path / "checkpoint.pt")
    load_weights(target, tmp_path / "checkpoint.pt")
    assert_same(target, source.state_dict())


def test_weights_in_half_precision_are_widened(tmp_path, source, target):
    half = {name: value.half() for name, value in source.state_dict().items()}
    save_file(half, tmp_path / "half.safetensors")
    load_weights(target, tmp_path / "half.safetensors")
    assert {value.dtype for value in target.state_dict().values()} == {torch.float32}


def refusal(path, network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(InputError) as raised:
        load_weights(network, path)
    assert_same(network, before)
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_another_shape_is_refused_with_both(tmp_path, target):
    torch.save(make(0, channels=(8, 24, 24)).state_dict(), tmp_path / "wide.pt")
    error = refusal(tmp_path / "wide.pt", target)
    assert "does not fit this recipe's AutoencoderKL: it has " in error
    assert "of shape (24,) for (16,)" in error
    assert "lacks" not in error


def test_names_that_are_missing_or_unknown_are_listed(tmp_path, source, target):
    state = source.state_dict()
    missing = sorted(state)[:4]
    for name in missing:
        del state[name]
    state["extra.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "odd.pt")
    error = refusal(tmp_path / "odd.pt", target)
    assert "it lacks" in error and "and 1 more; it has unknown extra.weight" in error
    assert any(name in error for name in missing)


def test_one_old_name_too_few_is_not_filled_up_by_chance(tmp_path, source, target):
    state = old_names(source.state_dict())
    name = next(name for name in state if ".conv.conv." in name and name not in source.state_dict())
    del state[name]
    torch.save(state, tmp_path / "short.pt")
    assert f"it lacks {name.replace('.conv.conv.', '.postconv.conv.')}" in refusal(
        tmp_path / "short.pt", target
    )


def test_a_file_that_is_missing_is_named(tmp_path, target):
    assert "does not exist" in refusal(tmp_path / "none.pt", target)


class RunsCode:
    """Unpickling it makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("dump", [torch.save, lambda o, path: path.write_bytes(pickle.dumps(o))])
def test_code_in_a_file_is_not_executed(tmp_path, target, dump):
    marker = tmp_path / "executed"
    dump(RunsCode(marker), tmp_path / "evil.pt")
    assert "holds more than weights" in refusal(tmp_path / "evil.pt", target)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_a_file_that_is_no_weights_is_refused(tmp_path, target, suffix, content):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    error = refusal(path, target)
    assert "cannot be read as weights" in error or "holds more than weights" in error


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_file_that_ends_early_is_refused(tmp_path, source, target, suffix):
    path = tmp_path / f"weights{suffix}"
    (torch.save if suffix == ".pt" else save_file)(source.state_dict(), path)
    path.write_bytes(path.read_bytes()[:-5000])
    error = refusal(path, target)
    assert "cannot be read as weights" in error or "holds more than weights" in error


@pytest.mark.parametrize(
    "content", [[torch.zeros(2)], {"epoch": 3, "loss": 0.1}, {"a": {"b": {"c": torch.zeros(2)}}}]
)
def test_a_torch_file_of_another_structure_is_refused(tmp_path, target, content):
    torch.save(content, tmp_path / "other.pt")
    assert "must hold a mapping of names to tensors" in refusal(tmp_path / "other.pt", target)
