"""What a sweep's settings are called on disk, and which of them a study must keep."""

import dataclasses
import json

import pytest

from evaluation.organs.weights import (
    BODY_6MM,
    MODEL_FILES,
    PHANTOM_WEIGHTS,
    TOTAL_3MM,
    TOTAL_6MM,
)
from ldm.config import Crop, InputSize
from ldm.errors import InputError
from ldm.files.dataclass_json import to_dict
from ldm.fingerprints import digest, file_digest, fingerprint
from ldm.recipes import demo
from orchestration.options import Space
from orchestration.settings import claim_storage, reference_fingerprint, store_folder
from tests.support.small_sweep import small_sweep


@pytest.fixture
def config(tmp_path):
    return small_sweep(tmp_path / "storage")


def with_seed(config, seed):
    return dataclasses.replace(config, options=dataclasses.replace(config.options, seed=seed))


def write_weights(folder, content, models=(TOTAL_3MM, TOTAL_6MM, BODY_6MM)):
    """A weights folder in which only the checkpoints are there."""
    for model in models:
        path = model.folder_in(folder) / MODEL_FILES[-1]
        path.parent.mkdir(parents=True)
        path.write_text(content)
    return folder


def test_a_study_is_named_by_crop_recipe_and_space(config):
    assert config.folder == config.storage / "pancreas-demo-default"
    assert config.trials_folder == config.storage / "pancreas-demo-default" / "trials"


@pytest.mark.parametrize(
    ("options", "is_stopped"),
    [({}, True), ({"stops_early": False}, False), ({"space": Space.THESIS}, False)],
)
def test_trials_are_stopped_early_unless_they_are_the_studys_or_it_is_off(
    config, options, is_stopped
):
    changed = dataclasses.replace(config, options=dataclasses.replace(config.options, **options))
    assert changed.stops_early is is_stopped


def test_each_study_has_an_evaluator_of_its_own(config, tmp_path):
    other = dataclasses.replace(config, storage=tmp_path / "other")
    assert config.evaluator_name == small_sweep(config.storage).evaluator_name
    assert config.evaluator_name != other.evaluator_name


def test_a_run_of_phantom_parts_says_which(config):
    notice = dataclasses.replace(config, phantom_parts=("scans", "weights")).phantom_notice
    assert notice.startswith("PHANTOM RUN: scans, weights.")
    assert config.phantom_notice is None


def test_a_search_that_is_resumed_may_ask_for_every_input_size(config):
    assert config.input_sizes == (InputSize.FIT, InputSize.SCAN)  # two trials: the first points
    config.folder.mkdir(parents=True)
    (config.folder / "optuna.journal").touch()
    assert set(config.input_sizes) == set(InputSize)


@pytest.mark.parametrize(
    ("n_trials", "sizes"), [(2, {InputSize.FIT, InputSize.SCAN}), (3, set(InputSize))]
)
def test_the_first_trial_beyond_the_known_points_may_ask_for_every_size(config, n_trials, sizes):
    more = dataclasses.replace(config, base=demo(Crop.FULL_BODY), n_trials=n_trials)
    assert set(more.input_sizes) == sizes  # two points are known: the recipe's and study 1


def test_what_a_study_must_keep(config):
    assert with_seed(config, 7).identity("cohort-1") == {
        "base": fingerprint(config.base),
        "space": "default",
        "cohort": "cohort-1",
        "autoencoder": file_digest(config.autoencoder),
        "seed": "7",
        "cube": "largest",
    }


def test_the_first_sweep_claims_its_folder_and_leaves_nothing_else_there(config):
    assert claim_storage(config, "cohort") is True
    assert [path.name for path in config.folder.iterdir()] == ["sweep.json"]
    kept = json.loads((config.folder / "sweep.json").read_text())
    assert kept == config.identity("cohort")


def test_the_same_sweep_goes_on_and_another_is_refused_by_what_differs(config):
    claim_storage(config, "cohort")
    assert claim_storage(config, "cohort") is False
    with pytest.raises(InputError, match=r"differs in cohort: cohort there, other now, seed: 0"):
        claim_storage(with_seed(config, 1), "other")


def test_a_study_of_a_version_that_kept_less_is_another(config):
    config.folder.mkdir(parents=True)
    kept = config.identity("cohort")
    del kept["seed"]
    (config.folder / "sweep.json").write_text(json.dumps(kept))
    with pytest.raises(InputError, match="seed: None there, 0 now"):
        claim_storage(config, "cohort")


def holding(config):
    options = dataclasses.replace(config.options, semi_body_holds_pancreas=True)
    return dataclasses.replace(config, options=options)


def test_a_study_from_before_cubes_could_be_chosen_goes_on_with_the_largest(config):
    config.folder.mkdir(parents=True)
    kept = config.identity("cohort")
    del kept["cube"]
    (config.folder / "sweep.json").write_text(json.dumps(kept))
    assert claim_storage(config, "cohort") is False
    with pytest.raises(InputError, match="cube: largest there, largest that holds the pancreas"):
        claim_storage(holding(config), "cohort")


def test_a_storage_that_cannot_be_written_to_is_refused_by_its_option(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--storage"):
        claim_storage(small_sweep(tmp_path / "file"), "cohort")


def test_equal_sweeps_share_their_latents_whatever_they_search(config):
    one = store_folder(config, "cohort", InputSize.FIT)
    assert one.parent == config.storage / "latents"
    longer = small_sweep(config.storage, n_epochs=16)
    assert store_folder(with_seed(longer, 3), "cohort", InputSize.FIT) == one


def test_another_cohort_input_size_crop_or_autoencoder_has_other_latents(config, tmp_path):
    (tmp_path / "ae").write_text("other")
    image = dataclasses.replace(config.base.image, crop=Crop.FULL_BODY)
    cropped = dataclasses.replace(config, base=dataclasses.replace(config.base, image=image))
    folders = {
        store_folder(config, "cohort", InputSize.FIT),
        store_folder(config, "other", InputSize.FIT),
        store_folder(config, "cohort", InputSize.SCAN),
        store_folder(cropped, "cohort", InputSize.FIT),
        store_folder(
            dataclasses.replace(config, autoencoder=tmp_path / "ae"), "cohort", InputSize.FIT
        ),
    }
    assert len(folders) == 5


@pytest.mark.parametrize(("crop", "n"), [(Crop.PANCREAS, 1), (Crop.SEMI_BODY, 2)])
def test_latents_depend_on_what_finds_the_trunk_where_it_is_looked_for(config, tmp_path, crop, n):
    config = dataclasses.replace(config, base=demo(crop))
    folders = [
        store_folder(
            dataclasses.replace(config, segmenter_weights=write_weights(tmp_path / name, name)),
            "cohort",
            InputSize.FIT,
        )
        for name in ("one", "two")
    ]
    assert len(set(folders)) == n


def test_what_is_measured_once_is_named_by_store_sampling_and_segmenters(config, tmp_path):
    sampling = config.base.sampling
    seeded = dataclasses.replace(sampling, seed=1)
    one, two = (write_weights(tmp_path / name, name) for name in ("one", "two"))
    names = {
        reference_fingerprint("store", sampling, weights=one),
        reference_fingerprint("other", sampling, weights=one),
        reference_fingerprint("store", seeded, weights=one),
        reference_fingerprint("store", sampling, weights=two),
        reference_fingerprint("store", sampling, weights=one, models=(TOTAL_3MM,)),
    }
    assert len(names) == 5
    assert reference_fingerprint("store", sampling, weights=one) in names


def test_the_names_of_what_is_made_once_stay_what_they_are(config, tmp_path):
    """Under another name, latents and references of existing storages would be made again."""
    (tmp_path / "ae").write_text("other")
    config = dataclasses.replace(
        config,
        autoencoder=tmp_path / "ae",
        segmenter_weights=write_weights(tmp_path / "one", "one"),
    )
    semi_body = dataclasses.replace(config, base=demo(Crop.SEMI_BODY))
    assert store_folder(config, "cohort", InputSize.FIT).name == "f591b3814205"
    assert store_folder(semi_body, "cohort", InputSize.FIT).name == "cd0a50497350"
    weights = config.segmenter_weights
    name = reference_fingerprint("store", config.base.sampling, weights=weights)
    assert name == "79b029820848"


def test_cubes_that_hold_the_pancreas_have_other_latents_and_the_largest_the_same_as_ever(config):
    config = dataclasses.replace(config, base=demo(Crop.SEMI_BODY))
    made_of = {
        "version": 2,
        "cohort": "cohort",
        "image": to_dict(config.base.image),
        "window_hu": [-1000.0, 1000.0],
        "autoencoder": file_digest(config.autoencoder),
        "segmenter": file_digest(BODY_6MM.folder_in(PHANTOM_WEIGHTS) / MODEL_FILES[-1]),
    }
    largest = store_folder(config, "cohort", InputSize.FIT)
    assert largest.name == digest(json.dumps(made_of, sort_keys=True))
    assert store_folder(holding(config), "cohort", InputSize.FIT) != largest
