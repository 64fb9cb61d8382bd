"""The command that judges a folder: scores, pictures and a verdict, or one clear error message."""

import csv
import json
import re

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from evaluation.organs.weights import PHANTOM_WEIGHTS
from ldm.data.geometry.volume import Volume, write_volume
from pancreatune.program import app
from tests.support.small_cohort import phantoms


def run(*arguments):
    unset = {"TOTALSEG_WEIGHTS_PATH": None}  # an earlier test may have set it
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)], env=unset)


def write_all(folder, named):
    for name, volume in named:
        write_volume(folder / f"{name}.nii.gz", volume)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write samples, held-out and training volumes: phantoms on one grid."""
    root = tmp_path_factory.mktemp("volumes")
    return {
        "--samples": write_all(root / "samples", phantoms(range(22, 25))),
        "--reference": write_all(root / "real", phantoms(range(10, 14))),
        "--training": write_all(root / "training", phantoms(range(6))),
    }


def options(folders, **replaced):
    chosen = folders | {f"--{name}": value for name, value in replaced.items()}
    return [item for pair in chosen.items() for item in pair]


@pytest.fixture(scope="module")
def judged(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("judged")
    done = run("--crop", "full-body", *options(folders), "--out", out)
    assert done.exit_code == 0, done.output
    return out, done.output


def test_the_table_has_every_score_with_both_anchors(judged):
    rows = {row["score"]: row for row in csv.DictReader((judged[0] / "scores.csv").open())}
    assert {"histogram_distance_hu", "frechet_random_resnet18", "ms_ssim"} <= set(rows)
    distance = rows["histogram_distance_hu"]
    assert float(distance["value"]) < float(distance["nonsense_value"])
    assert distance["n"] == "3"


def test_the_json_says_the_same(judged):
    plain = json.loads((judged[0] / "scores.json").read_text())
    rows = list(csv.DictReader((judged[0] / "scores.csv").open()))
    assert [one["name"] for one in plain] == [row["score"] for row in rows]


def test_the_pictures_and_the_verdict_are_there(judged):
    out, shown = judged
    assert {path.name for path in out.iterdir()} == {
        *("scores.csv", "scores.json", "verdict.txt", "histogram.png", "panel.png")
    }
    assert (out / "verdict.txt").read_text() in shown
    assert "scores of 3 samples" in shown


def test_what_was_not_measured_is_said_first(judged):
    lines = judged[1].splitlines()
    assert lines[0] == "No score here depends on the voxel size of the samples."
    assert lines[1].startswith("There are no scores of organs")
    assert "random weights" in lines[2]


def test_copies_of_training_scans_are_named_first(folders, tmp_path):
    copies = write_all(tmp_path / "copies", phantoms(range(3)))
    arguments = options(folders, samples=copies, out=tmp_path / "judged")
    shown = run("--crop", "full-body", *arguments).output
    assert shown.startswith("This model copies training scans: 3 of 3 samples")
    assert "phantom_000 matches phantom_000 (0 HU)" in shown


def test_a_wrong_voxel_size_and_mirrored_samples_are_noted(folders, tmp_path):
    """The phantoms have 6 mm, and these say 3 mm."""
    named = [
        (name, Volume(array=volume.array[::-1].copy(), affine=np.diag([3.0, 3.0, 3.0, 1.0])))
        for name, volume in phantoms(range(22, 25))
    ]
    samples = write_all(tmp_path / "wrong", named)
    done = run("--crop", "full-body", *options(folders, samples=samples), "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "3 of 3 have a width of 144 mm. That of the reference scans is 288 mm." in done.output
    assert "resemble the reference scans more if they are mirrored left to right" in done.output
    assert "No score here depends on the voxel size of the samples." in done.output


def test_with_hashes_no_real_scan_is_named(tmp_path):
    volumes = dict(phantoms(range(3)))
    copies = {f"sample_{n}": volume for n, volume in enumerate(volumes.values())}
    folders = {
        "--samples": write_all(tmp_path / "samples", copies.items()),
        "--reference": write_all(tmp_path / "doe_john", phantoms(range(10, 14))),
        "--training": write_all(tmp_path / "training", volumes.items()),
    }
    out = tmp_path / "judged"
    done = run("--crop", "full-body", *options(folders), "--out", out, "--hash-cases")
    assert re.search(r"sample_0 matches [0-9a-f]{12} \(0 HU\)", done.output), done.output
    written = [path.read_bytes() for path in out.iterdir()]
    for name in ("phantom_", "doe_john"):
        assert name not in done.output.replace(str(out), "")
        assert not [text for text in written if name.encode() in text]
    assert (tmp_path / "judged.salt").stat().st_mode & 0o077 == 0


def test_whole_scans_are_cut_and_split_as_a_sweep_does(phantom_folder, tmp_path):
    ((name, volume),) = phantoms([30])
    samples = write_all(tmp_path / "samples", [(name, volume)])
    done = run(
        *("--crop", "pancreas", "--samples", samples, "--reference", phantom_folder),
        *("--out", tmp_path / "judged"),
    )
    assert done.exit_code == 0, done.output
    assert "copied_share" in (tmp_path / "judged" / "scores.csv").read_text()


@pytest.mark.slow
def test_with_weights_of_totalsegmentator_organs_are_scored(phantom_folder, folders, tmp_path):
    done = run(
        *("--crop", "pancreas", "--samples", folders["--samples"]),
        *("--reference", phantom_folder, "--out", tmp_path),
        *("--totalsegmentator-weights", PHANTOM_WEIGHTS),
    )
    assert done.exit_code == 0, done.output
    rows = {row["score"]: row for row in csv.DictReader((tmp_path / "scores.csv").open())}
    assert {"totalsegmentator_dice", "agreement_liver"} <= set(rows)
    assert "organs_found: needs 2 different real scans, of which there are 1" in done.output
    assert "trained on phantoms" in done.output


def refused(folders, tmp_path, crop="full-body", **replaced):
    done = run("--crop", crop, *options(folders, **replaced), "--out", tmp_path / "judged")
    assert done.exit_code == 2
    assert not (tmp_path / "judged").exists()
    return done.output


def test_a_folder_without_volumes_is_refused(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty has none" in refused(folders, tmp_path, samples=tmp_path / "empty")


def test_a_sample_with_nan_is_refused_by_name(folders, tmp_path):
    hu = np.zeros((48, 40, 32), np.float32)
    hu[1, 2, 3] = np.nan
    (tmp_path / "bad").mkdir()
    nib.save(nib.Nifti1Image(hu, np.eye(4)), tmp_path / "bad" / "sample_07.nii.gz")
    assert "1 of 61440 voxels of sample_07" in refused(folders, tmp_path, samples=tmp_path / "bad")


def test_samples_of_several_grids_have_the_scores_that_need_no_common_one(folders, tmp_path):
    named = [
        (name, Volume(array=volume.array[:, :, : 20 + 4 * index], affine=volume.affine))
        for index, (name, volume) in enumerate(phantoms(range(22, 26)))
    ]
    samples = write_all(tmp_path / "odd", named)
    done = run("--crop", "full-body", *options(folders, samples=samples), "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    scores = {row["score"] for row in csv.DictReader((tmp_path / "out" / "scores.csv").open())}
    assert "histogram_distance_hu" in scores
    assert not scores & {"ms_ssim", "copied_share", "nearest_training_ratio"}
    left_out = done.output.partition("Left out:")[2]
    for name in ("ms_ssim", "copied_share", "nearest_training_ratio"):
        assert f"{name}: volumes can only be compared on the same grid" in left_out


def test_scores_of_too_few_volumes_have_no_verdict(folders, tmp_path):
    few = write_all(tmp_path / "few", phantoms(range(22, 23)))
    done = run("--crop", "full-body", *options(folders, samples=few), "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "0 as good as real scans, 0 between" in done.output
    assert "(n = 1, interval unknown)" in done.output
    assert "of the way to real scans" not in done.output
    assert "ms_ssim: needs 2 samples, there are 1" in done.output


def test_training_scans_beside_whole_scans_are_refused(folders, phantom_folder, tmp_path):
    assert "brings its own training scans" in refused(folders, tmp_path, reference=phantom_folder)


def test_the_semi_body_crop_of_whole_scans_needs_weights(folders, phantom_folder, tmp_path):
    arguments = options(folders, reference=phantom_folder)
    at = arguments.index("--training")
    del arguments[at : at + 2]
    done = run("--crop", "semi-body", *arguments, "--out", tmp_path)
    assert done.exit_code == 2
    assert "pass --totalsegmentator-weights DIR" in done.output
