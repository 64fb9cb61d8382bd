"""What a user sees when running a sweep from a shell."""

import gzip

import pytest

from ldm.study_differences import STUDY_DIFFERENCES
from tests.support.command_line import dry_run, refusal, refusal_here, run_tune


def test_help_groups_the_options_and_gives_examples():
    shown = run_tune("--help").stdout
    for heading in ("What is generated", "How it is searched", "Where it runs", "Weights"):
        assert heading in shown
    assert shown.count("python tune.py --crop") >= 5


def test_an_unknown_crop_is_refused_with_the_list_of_crops():
    error = refusal("--crop", "liver")
    assert "liver" in error
    assert "pancreas" in error


def test_a_dry_run_prints_settings_space_cohort_and_resources(phantom_folder, tmp_path):
    done = run_tune(
        "--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path, "--dry-run"
    )
    assert done.returncode == 0, done.stderr
    for part in (
        "training.schedule.learning_rate",
        "first_milestone",
        "stopped early if not learning",
        "never: only the last epoch is evaluated",
        "validation",
        "each worker of a trial reserves",
    ):
        assert part in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_dry_run_of_the_thesis_space_lists_the_studys_models(phantom_folder, tmp_path):
    shown = dry_run(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path),
        *("--space", "thesis"),
    )
    assert "learning schedule of study 6" in shown
    assert "52 epochs" in shown  # 2600 epochs in the study, divided by 50


def test_a_dry_run_of_the_thesis_recipe_lists_what_is_not_the_studys(phantom_folder, tmp_path):
    shown = dry_run(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path),
        *("--recipe", "thesis"),
    )
    assert "differs from the study" in shown
    assert all(difference.part in shown for difference in STUDY_DIFFERENCES)


def test_a_dry_run_of_the_extended_space_shows_its_further_dimensions(phantom_folder, tmp_path):
    shown = dry_run(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path),
        *("--space", "extended"),
    )
    assert "epsilon, v, rectified_flow" in shown
    assert "objective='epsilon'" in shown.replace("\n", "").replace(" ", "")
    assert "4 trials" in shown


def test_the_first_line_says_which_parts_are_phantoms(phantom_folder, tmp_path):
    shown = dry_run("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path)
    assert shown.lstrip().startswith("PHANTOM RUN")


def test_the_error_of_real_scans_without_weights_names_the_flag(folder, tmp_path):
    error = refusal_here("--crop", "pancreas", "--data", folder, "--storage", tmp_path)
    assert "--allow-phantom-weights" in error


def test_the_error_of_a_missing_folder_names_it(tmp_path):
    error = refusal_here(
        "--crop", "pancreas", "--data", tmp_path / "nowhere", "--storage", tmp_path
    )
    assert "nowhere" in error


def test_the_error_of_a_folder_without_scans_names_dataset_json(tmp_path):
    error = refusal_here("--crop", "pancreas", "--data", tmp_path, "--storage", tmp_path / "s")
    assert "dataset.json" in error


def test_the_error_of_broken_json_names_file_and_line(folder, tmp_path):
    (folder / "dataset.json").write_text('{"name": "Pancreas",\n "training": [')
    error = refusal_here("--crop", "pancreas", "--data", folder, "--storage", tmp_path / "s")
    assert "dataset.json" in error
    assert "line 2" in error


def test_the_error_of_too_few_scans_has_the_reason_of_each(folder, tmp_path):
    for case in "bc":
        image = folder / "imagesTr" / f"{case}.nii.gz"
        image.write_bytes(image.read_bytes()[:200])
    error = refusal_here(
        *("--crop", "pancreas", "--data", folder, "--storage", tmp_path / "s"),
        "--allow-phantom-weights",
    )
    assert "at least 2 usable scans" in error
    assert "b.nii.gz" in error
    assert "c.nii.gz" in error


def test_a_truncated_scan_is_left_out_with_a_message(phantom_folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(phantom_folder, copy)
    victim = copy / "imagesTr" / "phantom_000.nii.gz"
    victim.write_bytes(gzip.compress(gzip.decompress(victim.read_bytes())[:5000]))
    shown = dry_run("--crop", "pancreas", "--data", copy, "--storage", tmp_path / "s")
    assert "left out phantom_000" in shown


def test_the_error_of_an_empty_weights_folder_says_how_to_fill_it(phantom_folder, tmp_path):
    empty = tmp_path / "weights"
    empty.mkdir()
    error = refusal_here(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path / "s"),
        *("--totalsegmentator-weights", empty),
    )
    assert str(empty) in error
    assert "totalseg_download_weights" in error


def test_the_error_of_a_recipe_without_weights_says_where_to_get_them(phantom_folder, tmp_path):
    error = refusal_here(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path),
        *("--recipe", "thesis"),
    )
    assert "model_autoencoder.pt" in error


def test_the_error_of_an_unwritable_storage_names_it(phantom_folder, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    error = refusal("--crop", "pancreas", "--data", phantom_folder, "--storage", blocked / "s")
    assert "--storage" in error
    assert str(blocked) in error


def test_the_error_of_an_unreachable_cluster_names_it(phantom_folder, tmp_path):
    error = refusal(
        *("--crop", "pancreas", "--data", phantom_folder, "--storage", tmp_path),
        *("--address", "127.0.0.1:1"),
    )
    assert "127.0.0.1:1" in error


def test_the_three_real_scans_load_and_the_one_without_a_mask_is_left_out(real_ct, tmp_path):
    shown = dry_run(
        *("--crop", "pancreas", "--data", real_ct, "--storage", tmp_path),
        "--allow-phantom-weights",
    )
    assert "left out pancreas_903" in shown


@pytest.mark.parametrize("crop", ["full-body", "semi-body"])
def test_a_scan_without_a_mask_is_used_where_no_mask_is_needed(crop, real_ct, tmp_path):
    shown = dry_run(
        *("--crop", crop, "--data", real_ct, "--storage", tmp_path),
        "--allow-phantom-weights",
    )
    assert "left out" not in shown.replace("left out    0", "")
