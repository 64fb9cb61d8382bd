"""The options of the command line change epochs and seed of a recipe."""

import re
import shutil
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from evaluation.organs.weights import MARKER, PHANTOM_WEIGHTS
from ldm.config import Crop
from ldm.data.cohort.cohort import Exclusion, Split
from ldm.errors import InputError
from ldm.recipes import PHANTOM_AUTOENCODER, demo
from orchestration.dry_run import print_plan
from orchestration.options import RecipeName, Space, SweepOptions
from orchestration.resolution import base_config, local_tracking_uri, resolve
from orchestration.storage.sharing import SharedFolder
from tests.support.small_task07 import SHAPE, entry, mask_of, save, write_json

GENERATED = "generated phantoms instead of scans"
PHANTOM_ENCODER = "an autoencoder trained on phantoms"
PHANTOM_SEGMENTER = "TotalSegmentator weights trained on phantoms"


def training(recipe, epochs):
    return base_config(SweepOptions(crop=Crop.PANCREAS, recipe=recipe, epochs=epochs)).training


def test_without_options_a_trial_is_the_recipes():
    assert base_config(SweepOptions(crop=Crop.PANCREAS)) == demo(Crop.PANCREAS)


@pytest.mark.parametrize(
    ("recipe", "epochs", "milestones"),
    [
        (RecipeName.DEMO, 16, (10, 14)),  # half of 32 epochs and of (20, 28)
        (RecipeName.DEMO, 64, (40, 56)),
        (RecipeName.DEMO, 2, (1, 2)),  # 1.25 and 1.75 of 2 epochs, rounded
        (RecipeName.THESIS, 400, (25, 250)),  # a quarter of 1600 epochs and of (100, 1000)
        (RecipeName.THESIS, 2, (1, 2)),  # 0.125 and 1.25, but the second must be above the first
    ],
)
def test_milestones_scale_with_the_epochs(recipe, epochs, milestones):
    assert training(recipe, epochs).schedule.milestones_epochs == milestones


@pytest.mark.parametrize(
    ("recipe", "epochs", "checkpoint", "evaluation"),
    [
        (RecipeName.DEMO, 16, 2, 16),  # half of 4 and of 32
        (RecipeName.DEMO, 2, 1, 2),
        (RecipeName.THESIS, 400, 50, 50),  # a quarter of 200
        (RecipeName.THESIS, 2, 1, 1),
    ],
)
def test_checkpoints_and_evaluations_scale_with_the_epochs(recipe, epochs, checkpoint, evaluation):
    asked = training(recipe, epochs)
    assert asked.epochs == epochs
    assert (asked.checkpoint_every_epochs, asked.evaluate_every_epochs) == (checkpoint, evaluation)


def test_epochs_change_nothing_else_of_the_schedule():
    schedule = training(RecipeName.DEMO, 16).schedule
    own = demo(Crop.PANCREAS).training.schedule
    assert (schedule.learning_rate, schedule.gamma) == (own.learning_rate, own.gamma)
    assert schedule.warmup_steps == own.warmup_steps


def test_the_seed_sets_training_and_sampling():
    base = base_config(SweepOptions(crop=Crop.PANCREAS, seed=7))
    assert (base.training.seed, base.sampling.seed) == (7, 7)


@pytest.fixture
def asked(folder, tmp_path, monkeypatch):
    """Resolves options on three tiny scans: of phantoms unless they are said to be real."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def resolve_with(*, is_real=False, **options):
        marked = {} if is_real else {"pancreatune_phantom": True}
        write_json(folder, training=[entry(case_id) for case_id in "abc"], **marked)
        options = {"crop": Crop.PANCREAS, "data": folder, "storage": str(tmp_path / "s"), **options}
        log = StringIO()
        return *resolve(SweepOptions(**options), Console(file=log, width=200)), log.getvalue()

    return resolve_with


def test_a_sweep_of_phantoms_takes_the_weights_that_know_phantoms(asked, folder, tmp_path):
    config, cohort, told = asked()
    assert (config.autoencoder, config.segmenter_weights) == (PHANTOM_AUTOENCODER, PHANTOM_WEIGHTS)
    assert (config.cohort, config.storage) == (folder, tmp_path / "s")
    assert config.tracking_uri == local_tracking_uri(tmp_path / "s")
    assert config.tracking_uri == f"sqlite:///{tmp_path}/s/mlflow.db"
    assert (config.base, config.n_trials) == (demo(Crop.PANCREAS), 4)
    assert config.phantom_parts == (GENERATED, PHANTOM_ENCODER, PHANTOM_SEGMENTER)
    assert config.phantom_notice in told
    assert config.sharing == SharedFolder()
    assert [scan.case_id for scan in cohort.scans] == ["a", "b", "c"]
    assert cohort.of(Split.TRAIN)


def test_scans_that_are_left_out_are_named(asked, folder):
    mask_of(folder).unlink()
    _, cohort, told = asked()
    (exclusion,) = cohort.exclusions
    assert f"left out c: {exclusion.reason}" in told


def test_real_scans_that_are_called_so_are_no_phantom_part(asked):
    config, _, _ = asked(is_real=True, allow_phantom_weights=True)
    assert config.phantom_parts == (PHANTOM_ENCODER, PHANTOM_SEGMENTER)
    assert (config.autoencoder, config.segmenter_weights) == (PHANTOM_AUTOENCODER, PHANTOM_WEIGHTS)


def test_with_real_scans_and_own_weights_nothing_is_of_phantoms(asked, tmp_path):
    own = {"autoencoder": tmp_path / "autoencoder", "totalsegmentator_weights": tmp_path / "organs"}
    shutil.copy(PHANTOM_AUTOENCODER, own["autoencoder"])
    own["totalsegmentator_weights"].mkdir()
    for path in PHANTOM_WEIGHTS.iterdir():
        if path.name != MARKER:
            (own["totalsegmentator_weights"] / path.name).symlink_to(path)
    config, _, told = asked(is_real=True, **own)
    assert (config.phantom_parts, config.phantom_notice) == ((), None)
    assert "PHANTOM" not in told


@pytest.mark.parametrize(("crop", "used"), [(Crop.FULL_BODY, "abc"), (Crop.PANCREAS, "ab")])
def test_the_crop_decides_whether_a_scan_without_pancreas_is_used(asked, folder, crop, used):
    save(mask_of(folder), np.zeros(SHAPE, np.uint8))
    _, cohort, _ = asked(crop=crop)
    assert [scan.case_id for scan in cohort.scans] == list(used)


def test_what_was_read_of_the_scans_is_kept_in_the_users_cache(asked, tmp_path):
    asked()
    assert any(path.is_file() for path in (tmp_path / "cache" / "pancreatune").rglob("*"))


def test_what_was_given_is_taken(asked, tmp_path):
    shutil.copy(PHANTOM_AUTOENCODER, tmp_path / "autoencoder")
    config, _, told = asked(
        is_real=True,
        allow_phantom_weights=True,
        autoencoder=tmp_path / "autoencoder",
        tracking_uri="http://tracking",
        n_trials=7,
    )
    assert config.autoencoder == tmp_path / "autoencoder"
    assert config.tracking_uri == "http://tracking"
    assert config.n_trials == 7
    assert config.phantom_parts == (PHANTOM_SEGMENTER,)
    assert told.startswith("PHANTOM RUN")


def test_cases_may_be_hidden_behind_a_salted_hash(asked):
    _, cohort, _ = asked(hash_cases=True)
    assert not {scan.case_id for scan in cohort.scans} & {"a", "b", "c"}


@pytest.mark.parametrize(
    ("crop", "asked_for", "n"),
    [
        (Crop.PANCREAS, None, 5),
        (Crop.PANCREAS, 2, 2),
        (Crop.PANCREAS, 9, 5),
        (Crop.FULL_BODY, None, 1),
    ],
)
def test_the_thesis_space_has_as_many_trials_as_the_study_has_models(asked, crop, asked_for, n):
    config, _, _ = asked(crop=crop, space=Space.THESIS, n_trials=asked_for)
    assert config.n_trials == n


def test_real_scans_are_not_encoded_by_what_knows_only_phantoms(asked):
    said = (
        "real scans need an autoencoder trained on real scans, none was given: pass --autoencoder "
    )
    with pytest.raises(InputError, match=f"{said}.* with weights that were trained on phantoms"):
        asked(is_real=True)


def test_real_scans_are_not_segmented_by_what_knows_only_phantoms(asked, tmp_path):
    shutil.copy(PHANTOM_AUTOENCODER, tmp_path / "autoencoder")
    with pytest.raises(InputError, match="--totalsegmentator-weights"):
        asked(is_real=True, autoencoder=tmp_path / "autoencoder")


def test_an_autoencoder_that_is_not_there_is_refused(asked, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        asked(autoencoder=tmp_path / "nowhere")


def test_a_file_that_is_no_autoencoder_is_refused_before_a_sweep_starts(asked, tmp_path):
    (tmp_path / "page.pt").write_text("<html>404</html>")
    with pytest.raises(InputError, match=r"page\.pt cannot be read as weights, .* is a web page"):
        asked(autoencoder=tmp_path / "page.pt")


def test_a_recipe_with_another_autoencoder_needs_its_weights(asked):
    with pytest.raises(InputError, match="recipe full needs --autoencoder"):
        asked(recipe=RecipeName.FULL)


def test_weights_that_are_not_there_are_refused(asked, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        asked(totalsegmentator_weights=tmp_path / "nowhere")


def test_a_cube_that_holds_the_pancreas_goes_with_the_semi_body_crop(asked):
    with pytest.raises(InputError, match="goes with --crop semi-body, the crop is pancreas"):
        asked(semi_body_holds_pancreas=True)


def test_scans_without_a_mask_are_left_out_where_cubes_must_hold_the_pancreas(asked, folder):
    (folder / "labelsTr" / "c.nii.gz").unlink()
    crop = {"crop": Crop.SEMI_BODY, "semi_body_holds_pancreas": True}
    _, cohort, _ = asked(**crop)
    assert [one.case_id for one in cohort.exclusions] == ["c"]


def test_the_dry_run_says_how_to_know_which_cubes_hold_the_pancreas(asked):
    config, cohort, _ = asked(crop=Crop.SEMI_BODY)
    log = StringIO()
    print_plan(config, cohort, Console(file=log, width=200))
    assert "3 scans have a mask: `pancreatune prepare` tells how many" in log.getvalue()


def test_the_dry_run_counts_every_scan_that_is_left_out_and_repeats_no_reason(asked):
    config, cohort, _ = asked(crop=Crop.FULL_BODY)
    twice = tuple(Exclusion(case_id="x", reason=f"it is damaged in list {n}") for n in (1, 2))
    log = StringIO()
    print_plan(config, replace(cohort, exclusions=twice), Console(file=log, width=200))
    assert re.search(r"left out +2", log.getvalue())
    assert "damaged" not in log.getvalue()  # it was printed when the scans were read
