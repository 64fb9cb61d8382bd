"""Configurations survive JSON, check their values, and have a fingerprint."""

import dataclasses
import json
import pickle
import subprocess
import sys
from enum import Enum

import pytest

from ldm.config import (
    Crop,
    Objective,
    SamplingConfig,
    SamplingMethod,
    TrainingConfig,
    TrialConfig,
    Whitening,
)
from ldm.errors import InputError
from ldm.files.dataclass_json import flat, from_dict, to_dict
from ldm.fingerprints import digest, fingerprint
from ldm.recipes import RECIPES, demo
from tests.support.repository import ROOT

RECIPE_CROPS = [(name, crop) for name in RECIPES for crop in Crop]


@pytest.fixture
def plain():
    """The recipe ``demo`` as JSON values, which tests may change."""
    return to_dict(demo(Crop.PANCREAS))


def changed(value):
    """Return another value of the same type, or None if there is none."""
    if isinstance(value, Enum):
        return next((other for other in type(value) if other is not value), None)
    if isinstance(value, tuple):
        return (*value[:-1], changed(value[-1]))
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    return 2 * value or 16 if isinstance(value, int) else (value or 0.0) / 2 + 0.1


def variants(config):
    """Yield the configuration with one field changed, for every field at every depth."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        inner = variants(value) if dataclasses.is_dataclass(value) else [changed(value)]
        for other in inner:
            if other is not None:
                yield dataclasses.replace(config, **{field.name: other})


def replaced(config, path, values):
    """Return the configuration with ``values`` for fields of the part at a dotted path."""
    first, _, rest = path.partition(".")
    part = getattr(config, first)
    new = replaced(part, rest, values) if rest else dataclasses.replace(part, **values)
    return dataclasses.replace(config, **{first: new})


@pytest.mark.parametrize(("recipe", "crop"), RECIPE_CROPS)
def test_a_recipe_survives_json(recipe, crop):
    config = RECIPES[recipe](crop)
    assert from_dict(TrialConfig, json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_fingerprint_survives_json(recipe):
    config = RECIPES[recipe](Crop.PANCREAS)
    assert fingerprint(from_dict(TrialConfig, to_dict(config))) == fingerprint(config)


def test_an_unknown_key_is_named(plain):
    plain["training"]["momentum"] = 0.9
    with pytest.raises(InputError, match=r"TrialConfig\.training has unknown keys \['momentum'\]"):
        from_dict(TrialConfig, plain)


def test_a_missing_key_is_named(plain):
    del plain["image"]["grid_voxels"]
    with pytest.raises(InputError, match=r"TrialConfig\.image has .* lacks \['grid_voxels'\]"):
        from_dict(TrialConfig, plain)


def test_a_key_with_a_default_may_be_missing(plain):
    del plain["sampling"]["seed"]
    assert from_dict(TrialConfig, plain).sampling.seed == 0


def test_a_stored_configuration_without_a_sampling_method_samples_as_before(plain):
    del plain["sampling"]["method"]
    assert from_dict(TrialConfig, plain) == demo(Crop.PANCREAS)


def test_a_stored_configuration_without_a_precision_computes_as_before(plain):
    for part, name in (
        *(("training", "precision"), ("sampling", "precision")),
        ("sampling", "undoes_whitening"),
    ):
        del plain[part][name]
    assert from_dict(TrialConfig, plain) == demo(Crop.PANCREAS)


def test_a_pickle_of_an_earlier_version_gets_the_defaults_of_later_fields():
    training = demo(Crop.PANCREAS).training
    *earlier, _ = training.__getstate__()
    restored = object.__new__(TrainingConfig)
    restored.__setstate__(earlier)
    assert restored == training
    assert pickle.loads(pickle.dumps(training)) == training


def test_a_whole_number_is_taken_where_a_float_is_asked_for(plain):
    plain["image"]["margin_mm"] = 3
    assert isinstance(from_dict(TrialConfig, plain).image.margin_mm, float)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("image", "crop", "head"),
        ("image", "margin_mm", "wide"),
        ("image", "margin_mm", True),
        ("image", "margin_mm", float("nan")),
        ("image", "margin_mm", float("inf")),
        ("image", "margin_mm", 10**400),
        ("image", "grid_voxels", 48),
        ("image", "grid_voxels", [48, 48]),
        ("image", "grid_voxels", [48, 48.0, 32]),
        ("training", "epochs", 1.5),
        ("training", "epochs", 32.0),
        ("training", "epochs", "32"),
        ("training", "epochs", True),
        ("training", "epochs", None),
        ("training", "gradient_clip_norm", "1"),
        ("training", "schedule", None),
        ("denoiser", "attention_levels", [0, 0, 1]),
        ("image", "grid_voxels", [48, 48, 32, 32]),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(plain, part, key, value):
    plain[part][key] = value
    with pytest.raises(InputError):
        from_dict(TrialConfig, plain)


def test_a_wrong_value_is_named_by_its_path_with_the_rule(plain):
    plain["image"]["margin_mm"] = "wide"
    rule = r"^TrialConfig\.image\.margin_mm: must be a valid number, got 'wide'$"
    with pytest.raises(InputError, match=rule):
        from_dict(TrialConfig, plain)


def test_all_wrong_keys_of_one_part_are_named_together(plain):
    del plain["training"]["epochs"]
    plain["training"]["momentum"] = plain["training"]["decay"] = 0.9
    named = r"unknown keys \['decay', 'momentum'\] and lacks \['epochs'\]: was it written by"
    with pytest.raises(InputError, match=named):
        from_dict(TrialConfig, plain)


def test_values_nested_without_end_are_refused(plain):
    for _ in range(100_000):
        plain["recipe"] = [plain["recipe"]]
    with pytest.raises(InputError, match="nested too deeply"):
        from_dict(TrialConfig, plain)


@pytest.mark.parametrize(
    ("path", "values", "rule"),
    [
        ("image", {"grid_voxels": (48, 40, 32)}, r"multiples of 16.*got \(48, 40, 32\)"),
        ("image", {"grid_voxels": (0, 16, 16)}, r"multiples of 16.*got \(0, 16, 16\)"),
        ("image", {"margin_mm": -1.0}, "margin_mm must not be negative, got -1.0"),
        ("denoiser", {"channels": (8, 16)}, "head_channels must have the same length"),
        ("denoiser", {"norm_groups": 3}, r"divide the channels \(16, 32, 64\) .*got 3"),
        ("denoiser", {"norm_groups": -8}, "norm_groups must divide the channels .*got -8"),
        ("denoiser", {"norm_groups": 32}, "norm_groups must divide the channels .*got 32"),
        ("denoiser", {"head_channels": (0, 0, 24)}, "divide the 64 channels of a level .*24"),
        ("denoiser", {"head_channels": (0, 0, 0)}, "divide the 64 channels of a level .*0"),
        ("denoiser", {"n_res_blocks": 0}, "n_res_blocks must be 1 or more, got 0"),
        ("autoencoder", {"norm_groups": 0}, "norm_groups must divide the channels .*got 0"),
        ("autoencoder", {"channels": (16, -32, 64)}, "one or more positive numbers"),
        ("autoencoder", {"latent_channels": 0}, "latent_channels must be 1 or more, got 0"),
        ("training", {"epochs": 0}, "epochs must be 1 or more, got 0"),
        ("training", {"batch_size": 0}, "batch_size must be 1 or more, got 0"),
        ("training", {"checkpoint_every_epochs": 0}, "checkpoint_every_epochs must be 1"),
        ("training", {"evaluate_every_epochs": -2}, "evaluate_every_epochs must be 1"),
        ("training", {"ema_half_life_samples": 0.0}, "ema_half_life_samples must be positive"),
        ("training.schedule", {"learning_rate": 0.0}, r"in \(0, 1\), got 0.0"),
        ("training.schedule", {"learning_rate": 1.0}, r"in \(0, 1\), got 1.0"),
        ("training.schedule", {"learning_rate": float("nan")}, r"in \(0, 1\), got nan"),
        ("training.schedule", {"gamma": 0.0}, r"gamma must be in \(0, 1\], got 0.0"),
        ("training.schedule", {"gamma": 1.1}, r"gamma must be in \(0, 1\], got 1.1"),
        ("training.schedule", {"milestones_epochs": (9, 3)}, r"increase .*got \(9, 3\)"),
        ("training.schedule", {"milestones_epochs": (5, 5)}, r"increase .*got \(5, 5\)"),
        ("training.schedule", {"milestones_epochs": (0, 5)}, r"increase from 1 or more"),
        ("training.schedule", {"warmup_steps": -1}, "warmup_steps must not be negative"),
        ("sampling", {"n_samples": 0}, "n_samples must be 1 or more, got 0"),
        ("sampling", {"n_steps": 0}, r"n_steps must be in 1\.\.1000, got 0"),
        ("sampling", {"n_steps": 1001}, r"n_steps must be in 1\.\.1000, got 1001"),
        ("sampling", {"method": SamplingMethod.DDPM}, "ddpm uses every .*must be 1000, got 30"),
        ("sampling", {"undoes_whitening": False}, "only scalar whitening may be .*got channel"),
        (
            "sampling",
            {"method": SamplingMethod.DDIM},
            "rectified_flow must be sampled by euler.*ddim",
        ),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_rule(path, values, rule):
    with pytest.raises(InputError, match=rule):
        replaced(demo(Crop.PANCREAS), path, values)


@pytest.mark.parametrize(
    ("objective", "method"),
    [
        (Objective.EPSILON, SamplingMethod.DDIM),
        (Objective.V, SamplingMethod.DDIM),
        (Objective.RECTIFIED_FLOW, SamplingMethod.EULER),
    ],
)
def test_auto_is_the_method_of_the_objective(objective, method):
    assert SamplingConfig(n_samples=1, n_steps=30).method_for(objective) is method


@pytest.mark.parametrize("objective", [Objective.EPSILON, Objective.V])
def test_a_method_that_fits_is_taken_as_asked_for(objective):
    sampling = SamplingConfig(n_samples=1, n_steps=1000, method=SamplingMethod.DDPM)
    assert sampling.method_for(objective) is SamplingMethod.DDPM


@pytest.mark.parametrize("objective", [Objective.EPSILON, Objective.V])
def test_euler_is_for_rectified_flow_alone(objective):
    sampling = SamplingConfig(n_samples=1, n_steps=30, method=SamplingMethod.EULER)
    with pytest.raises(
        InputError, match=f"{objective} must be sampled by ddim or ddpm .*got euler"
    ):
        sampling.method_for(objective)


def test_a_file_with_a_value_out_of_range_is_refused(plain):
    plain["training"]["schedule"]["gamma"] = 2.0
    with pytest.raises(InputError, match="gamma must be in"):
        from_dict(TrialConfig, plain)


@pytest.mark.parametrize("crop", Crop)
def test_a_configuration_is_named_by_twelve_digits_that_stay(crop):
    assert fingerprint(demo(crop)) == fingerprint(demo(crop))
    assert len(fingerprint(demo(crop))) == 12
    assert int(fingerprint(demo(crop)), 16) >= 0


def test_the_fingerprint_changes_with_any_field():
    config = replaced(demo(Crop.PANCREAS), "training", {"whitening": Whitening.SCALAR})
    others = list(variants(config))
    names = {fingerprint(other) for other in others}
    assert len(others) == len(flat(config))
    assert len(names) == len(others)
    assert fingerprint(config) not in names


def test_a_digest_is_the_start_of_sha256():
    assert digest("abc") == "ba7816bf8f01"  # FIPS 180-2, appendix B.1


def test_flat_names_each_field_by_its_path():
    found = flat(demo(Crop.PANCREAS))
    assert found["recipe"] == "demo"
    assert found["image.crop"] == "pancreas"
    assert found["image.grid_voxels"] == "48, 48, 32"
    assert found["training.schedule.learning_rate"] == 1e-3
    assert found["training.schedule.milestones_epochs"] == "20, 28"


def test_flat_keeps_what_is_not_set():
    assert flat(RECIPES["thesis"](Crop.PANCREAS))["training.gradient_clip_norm"] is None


def test_configuration_and_search_spaces_start_without_torch():
    code = (
        "import sys, ldm.config, ldm.recipes, search_spaces.space, search_spaces.study; "
        "print(sorted({'torch', 'monai', 'numpy', 'ray', 'optuna', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
