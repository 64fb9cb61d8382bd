"""Weights of MONAI's networks, of any age, and weights that do not fit or are no numbers."""

import contextlib
import io

import pytest
import torch
from safetensors.torch import save_file

from ldm.files.weights_file import load_weights
from tests.support.own_log import own_messages
from tests.support.small_weights import assert_same, make, refusal


def old_names(state):
    """As MONAI's bundle has them: files written before MONAI renamed a convolution."""
    renamed = {name.replace("postconv", "conv"): value for name, value in state.items()}
    assert renamed.keys() != state.keys()
    return renamed


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


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_become_float32(tmp_path, source, target, kind):
    other = {name: value.to(kind) for name, value in source.state_dict().items()}
    save_file(other, tmp_path / "other.safetensors")
    load_weights(target, tmp_path / "other.safetensors")
    assert_same(target, {name: value.float() for name, value in other.items()})


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model.net."])
def test_the_prefixes_of_wrappers_are_removed(tmp_path, source, target, prefix):
    wrapped = {prefix + name: value for name, value in old_names(source.state_dict()).items()}
    torch.save(wrapped, tmp_path / "wrapped.pt")
    load_weights(target, tmp_path / "wrapped.pt")
    assert_same(target, source.state_dict())


def test_what_torch_compile_and_data_parallel_save_loads(tmp_path, source, target):
    wrapped = torch.nn.DataParallel(torch.compile(source))
    torch.save(wrapped.state_dict(), tmp_path / "wrapped.pt")
    load_weights(target, tmp_path / "wrapped.pt")
    assert_same(target, source.state_dict())


def test_of_several_state_dicts_the_one_that_fits_is_taken_and_said(
    tmp_path, source, target, caplog
):
    path = tmp_path / "gan.pt"
    other = torch.nn.Linear(2, 3)
    torch.save({"discriminator": other.state_dict(), "generator": source.state_dict()}, path)
    load_weights(target, path)
    assert_same(target, source.state_dict())
    assert own_messages(caplog) == [f"{path}: took the weights under its key 'generator'"]


@pytest.mark.parametrize(("outer", "place"), [("", "autoencoder"), ("net.", "net.autoencoder")])
def test_the_network_that_fits_is_taken_by_the_prefix_of_its_names(
    tmp_path, source, target, caplog, outer, place
):
    path = tmp_path / "lightning.pt"
    state = {f"{outer}autoencoder.{name}": value for name, value in source.state_dict().items()}
    torch.save({**state, f"{outer}discriminator.conv.weight": torch.ones(3)}, path)
    load_weights(target, path)
    assert_same(target, source.state_dict())
    assert own_messages(caplog) == [f"{path}: took the weights under its key {place!r}"]


def test_two_prefixes_that_fit_are_refused(tmp_path, source, target):
    state = source.state_dict()
    both = {f"{prefix}.{name}": state[name] for prefix in ("ema", "model") for name in state}
    torch.save(both, tmp_path / "two.pt")
    assert "under each of the keys 'ema', 'model'" in refusal(tmp_path / "two.pt", target)


@pytest.mark.parametrize("join", [dict, lambda nested: {
    f"{key}.{name}": value for key, state in nested.items() for name, value in state.items()
}], ids=["keys", "prefixes"])  # fmt: skip
def test_if_nothing_fits_the_nearest_is_compared(tmp_path, target, join):
    wide = make(0, channels=(8, 24, 24)).state_dict()
    other = {f"layers.{n}.weight": torch.ones(1) for n in range(200)}
    torch.save(join({"discriminator": other, "autoencoder": wide}), tmp_path / "gan.pt")
    error = refusal(tmp_path / "gan.pt", target)
    assert "does not fit this recipe's AutoencoderKL: it has " in error
    assert "of shape (24,) for (16,)" in error
    assert "(compared with its weights under 'autoencoder', which fit best)" in error


@pytest.mark.parametrize("wrapper", ["module", "_fsdp_wrapped_module"])
def test_wrappers_inside_names_are_removed(tmp_path, source, target, wrapper):
    state = source.state_dict()
    named = {name.replace("decoder.", f"decoder.{wrapper}."): state[name] for name in state}
    torch.save(named, tmp_path / "parts.pt")
    load_weights(target, tmp_path / "parts.pt")
    assert_same(target, state)


def test_two_state_dicts_that_fit_are_refused_with_their_keys(tmp_path, source, target):
    path = tmp_path / "two.pt"
    torch.save({"model": source.state_dict(), "ema": source.state_dict(), "epoch": 3}, path)
    assert "one under each of the keys 'ema', 'model': save the right one" in refusal(path, target)


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


def spoiled(source, name, change):
    state = {key: value.clone() for key, value in source.state_dict().items()}
    state[name] = change(state[name])
    return state


def first_is(number):
    def change(value):
        value.view(-1)[0] = number
        return value

    return change


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (first_is(float("nan")), "has 1 of 8 values that are NaN: use weights from before"),
        (first_is(float("inf")), "has 1 of 8 values that are infinite"),
        (
            lambda value: first_is(float("nan"))(value) / torch.tensor([1.0] * 6 + [0.0] * 2),
            "has 1 of 8 values that are NaN and 2 of 8 values that are infinite",
        ),
        (lambda value: value.double() + 1e300, "has 8 of 8 values that are infinite"),
        (lambda value: value.to(torch.int8), "has the type int8: use weights that are not quantiz"),
        (lambda value: value.to(torch.float8_e4m3fn), "has the type float8_e4m3fn: use weights"),
        (lambda value: value.to(torch.complex64), "has the type complex64"),
        (lambda value: value.to_sparse(), "is not stored (torch.sparse_coo, cpu)"),
        (lambda value: value.to("meta"), "is not stored (torch.strided, meta)"),
    ],
    ids=["NaN", "infinity", "both", "too large", "int8", "float8", "complex", "sparse", "meta"],
)
def test_values_that_are_no_finite_floats_are_refused_with_their_name(
    tmp_path, source, target, change, seen
):
    name = "encoder.blocks.0.conv.bias"  # 8 values
    torch.save(spoiled(source, name, change), tmp_path / "spoiled.pt")
    assert f"must be finite floating-point numbers, {name} {seen}" in refusal(
        tmp_path / "spoiled.pt", target
    )


def test_counters_may_be_whole_numbers(tmp_path):
    source, target = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    source.num_batches_tracked += 3
    torch.save(source.state_dict(), tmp_path / "norm.pt")
    load_weights(target, tmp_path / "norm.pt")
    assert int(target.num_batches_tracked) == 3
