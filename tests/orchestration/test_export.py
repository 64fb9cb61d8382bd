"""The content of a bundle, and the trials that cannot be exported."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ldm.autoencoder.model import build_autoencoder
from ldm.bundle.writer import package_name
from ldm.config import Objective
from ldm.data.latents.statistics import LatentStatistics
from ldm.data.latents.store import STORE_VERSION, StoreManifest
from ldm.files.dataclass_json import to_dict
from ldm.files.json_file import write_dataclass
from ldm.recipes import DEMO_AUTOENCODER, PHANTOM_AUTOENCODER
from tests.support.own_log import own_messages
from tests.support.small_bundle import (
    AFFINE,
    export,
    lively_network,
    read_json,
    tiny_trial,
    write_trial,
)
from tests.support.small_outcomes import COPYING, evaluation


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def trial(tmp_path):
    folder = tmp_path / "storage" / "study" / "trials" / "1a2b"
    config = tiny_trial(Objective.RECTIFIED_FLOW)
    write_trial(folder, config, lively_network(config))
    return folder


@pytest.fixture
def bundle(trial, tmp_path):
    code, shown = export(trial, tmp_path / "bundle")
    assert code == 0, shown
    return tmp_path / "bundle"


def test_a_bundle_has_all_files_and_no_path_of_this_machine(bundle, tmp_path):
    files = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    package = package_name(bundle)
    assert files == {
        *("LICENSE", "docs/README.md", "configs/metadata.json", "configs/inference.json"),
        *("models/model.safetensors", "models/model_autoencoder.safetensors"),
        *(f"{package}/__init__.py", f"{package}/sampling.py"),
    }
    for name in files:
        assert str(tmp_path).encode() not in (bundle / name).read_bytes(), name


def test_another_model_has_another_package(bundle, tmp_path):
    config = tiny_trial(Objective.RECTIFIED_FLOW)
    write_trial(tmp_path / "other", config, lively_network(config, seed=2))
    export(tmp_path / "other", tmp_path / "other-bundle")
    assert package_name(tmp_path / "other-bundle") != package_name(bundle)
    assert package_name(bundle).isidentifier()


def test_metadata_follows_monais_schema(bundle):
    metadata = read_json(bundle, "metadata.json")
    assert metadata.keys() >= {
        *("schema", "version", "monai_version", "pytorch_version", "numpy_version"),
        *("required_packages_version", "task", "description", "authors", "copyright"),
        "network_data_format",
    }
    for network in ("network_data_format", "autoencoder_data_format"):
        for direction in ("inputs", "outputs"):
            for tensor in metadata[network][direction].values():
                assert tensor.keys() >= {
                    *("type", "format", "num_channels", "spatial_shape", "dtype", "value_range")
                }


def test_the_last_epoch_of_a_trial_is_exported_unless_one_is_named(trial, tmp_path):
    for epoch in (9999, 10000):
        shutil.copytree(trial / "epoch_0004", trial / f"epoch_{epoch}")
        meta = trial / f"epoch_{epoch}" / "sampler.json"
        meta.write_text(meta.read_text().replace('"epoch": 4', f'"epoch": {epoch}'))
    assert "Wrote epoch 10000 to" in export(trial, tmp_path / "last")[1]
    assert "Wrote epoch 4 to" in export(trial / "epoch_0004", tmp_path / "named")[1]


def test_card_and_metadata_have_each_score_with_interval_and_n(trial, tmp_path):
    write_dataclass(trial / "epoch_0004" / "evaluation.json", evaluation(distance_hu=17.68))
    export(trial, tmp_path / "bundle")
    card = (tmp_path / "bundle" / "docs" / "README.md").read_text()
    assert "| scores.histogram_distance_hu.score | 17.7 | 16.7 to 18.7 | 8 |" in card
    metrics = read_json(tmp_path / "bundle", "metadata.json")["eval_metrics"]
    assert list(metrics) == [
        *(
            f"{part}.{name}.{which}"
            for part in ("scores", "untrained")
            for name in ("histogram_distance_hu", "totalsegmentator_dice")
            for which in ("score", "real", "nonsense")
        ),
        "real_dice",
    ]
    assert metrics["untrained.histogram_distance_hu.score"] == {
        "value": 40.0,
        "low": 39.0,
        "high": 41.0,
        "n": 8,
    }


def test_card_and_terminal_warn_of_a_model_that_copies(trial, tmp_path):
    write_dataclass(trial / "epoch_0004" / "evaluation.json", evaluation(copying=COPYING))
    _, shown = export(trial, tmp_path / "bundle")
    card = (tmp_path / "bundle" / "docs" / "README.md").read_text()
    notice = "COPIES TRAINING SCANS: 1 of its evaluated samples"
    assert notice in shown
    assert notice in card.split("# Synthetic")[0]
    assert "pancreas_017" not in card


def test_a_model_with_a_sample_that_crashed_the_segmenter_can_be_exported(trial, tmp_path):
    write_dataclass(trial / "epoch_0004" / "evaluation.json", evaluation(failed=["sample_00"]))
    assert export(trial, tmp_path / "bundle")[0] == 0


def test_the_error_of_a_damaged_evaluation_names_the_file(trial, tmp_path):
    path = trial / "epoch_0004" / "evaluation.json"
    path.write_text('{"epoch": 4}')
    code, shown = export(trial, tmp_path / "bundle")
    assert code == 2
    assert f"{path}: Evaluation has unknown keys [] and lacks" in shown


def test_a_card_without_scores_says_so(bundle):
    assert "never evaluated" in (bundle / "docs" / "README.md").read_text()


def first_line(bundle):
    return (bundle / "docs" / "README.md").read_text().splitlines()[0]


def test_the_first_line_says_that_the_autoencoder_was_trained_on_phantoms(bundle):
    assert first_line(bundle).startswith("**PHANTOM ONLY: an autoencoder trained on phantoms.")
    assert "PHANTOM ONLY" in read_json(bundle, "metadata.json")["intended_use"]


@pytest.mark.parametrize("is_phantom", [True, False])
def test_the_training_data_are_those_of_the_store_with_the_same_whitening(
    trial, tmp_path, is_phantom
):
    meta = json.loads((trial / "epoch_0004" / "sampler.json").read_text())
    for name, shift, of_phantoms in (("aa", 1.0, not is_phantom), ("bb", 0.0, is_phantom)):
        whitening = meta["whitening"]
        latents = LatentStatistics(
            mean=tuple(mean + shift for mean in whitening["mean"]),
            std=tuple(whitening["std"]),
            scale_std=1.0,
        )
        manifest = StoreManifest(
            version=STORE_VERSION,
            fingerprint=name,
            is_phantom=of_phantoms,
            scans=(),
            exclusions=(),
            latents=latents,
        )
        folder = trial.parents[2] / "latents" / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps(to_dict(manifest)))
    export(trial, tmp_path / "bundle")
    assert ("generated phantoms instead of scans" in first_line(tmp_path / "bundle")) is is_phantom
    source = read_json(tmp_path / "bundle", "metadata.json")["data_source"]
    assert source.startswith("Phantoms" if is_phantom else "Scans of people")


def test_the_training_data_are_unknown_if_their_store_is_missing(bundle):
    assert read_json(bundle, "metadata.json")["data_source"].startswith("Not recorded")


def test_a_folder_that_is_not_a_trial_is_refused(tmp_path):
    code, shown = export(tmp_path, tmp_path / "bundle")
    assert code == 2
    assert f"error: RUN must be a trial's folder, or a folder epoch_NNNN in it, {tmp_path}" in shown


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(trial):
    code, shown = export(trial, trial)
    assert code == 2
    assert f"--to must be a new folder or an empty one, {trial} is not" in shown
    assert [path.name for path in trial.iterdir()] == ["epoch_0004"]


def test_a_bundle_can_be_written_to_an_empty_folder(trial, tmp_path):
    (tmp_path / "bundle").mkdir()
    assert export(trial, tmp_path / "bundle")[0] == 0


def test_a_model_with_weights_that_are_not_finite_is_not_exported(trial, tmp_path):
    path = trial / "epoch_0004" / "sampler.safetensors"
    weights = load_file(path)
    weights["out.2.conv.weight"][0, 0, 0, 0, 0] = float("nan")
    save_file(weights, path)
    code, shown = export(trial, tmp_path / "bundle")
    assert code == 2
    assert "out.2.conv.weight has 1 of 864 values that are NaN" in shown
    assert not (tmp_path / "bundle").exists()


def test_the_key_that_an_autoencoder_was_taken_from_is_shown(trial, tmp_path, caplog):
    path = tmp_path / "checkpoint.pt"
    torch.save({"epoch": 3, "state_dict": load_file(PHANTOM_AUTOENCODER)}, path)
    assert export(trial, tmp_path / "bundle", "--autoencoder", path)[0] == 0
    assert own_messages(caplog) == [f"{path}: took the weights under its key 'state_dict'"]


@pytest.fixture
def other_autoencoder(tmp_path):
    """Weights of an architecture other than the demo's, and their configuration."""
    config = dataclasses.replace(DEMO_AUTOENCODER, channels=(8, 8, 16))
    path = tmp_path / "other.safetensors"
    save_file(build_autoencoder(config).state_dict(), path)
    return path, config


def test_an_autoencoder_that_does_not_fit_is_refused_and_nothing_is_written(
    trial, tmp_path, other_autoencoder
):
    path, _ = other_autoencoder
    code, shown = export(trial, tmp_path / "new" / "bundle", "--autoencoder", path)
    assert code == 2
    assert f"{path} does not fit this recipe's AutoencoderKL" in shown
    assert not (tmp_path / "new").exists()


def test_another_recipe_needs_its_autoencoder_and_has_no_phantom_notice(
    tmp_path, other_autoencoder
):
    path, config = other_autoencoder
    trial = dataclasses.replace(tiny_trial(Objective.RECTIFIED_FLOW), autoencoder=config)
    write_trial(tmp_path / "trial", trial, lively_network(trial))
    code, shown = export(tmp_path / "trial", tmp_path / "bundle")
    assert code == 2
    assert "needs --autoencoder FILE" in shown
    assert export(tmp_path / "trial", tmp_path / "bundle", "--autoencoder", path)[0] == 0
    assert first_line(tmp_path / "bundle").startswith("# Synthetic abdominal CT")


def test_the_error_of_another_autoencoder_than_the_sweeps_names_both(trial, tmp_path):
    (trial.parents[1] / "sweep.json").write_text('{"autoencoder": "0123456789ab"}')
    code, shown = export(trial, tmp_path / "bundle")
    assert code == 2
    assert "has the digest 0123456789ab" in shown
    assert str(PHANTOM_AUTOENCODER) in shown


def test_without_a_sample_the_voxel_size_must_be_given(trial, tmp_path):
    (trial / "epoch_0004" / "samples" / "sample_00.nii.gz").unlink()
    code, shown = export(trial, tmp_path / "bundle")
    assert code == 2
    assert "give --spacing-mm X Y Z" in shown
    assert export(trial, tmp_path / "bundle", "--spacing-mm", 2.0, 2.5, 3.0)[0] == 0
    np.testing.assert_allclose(read_json(tmp_path / "bundle", "inference.json")["affine"], AFFINE)


def test_a_voxel_size_of_zero_is_refused(trial, tmp_path):
    code, shown = export(trial, tmp_path / "bundle", "--spacing-mm", 1, 0, 1)
    assert code == 2
    assert "--spacing-mm must be above 0, got (1.0, 0.0, 1.0)" in shown
