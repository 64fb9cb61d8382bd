"""The study's Table 2, repeated on folders of volumes: its numbers and its conclusion."""

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from evaluation.features.frechet import frechet_metric
from evaluation.features.frechet_table import Sets, compare_models, same_number, table
from evaluation.observation import Observation
from ldm.data.geometry.volume import Volume, write_volume
from ldm.errors import InputError
from pancreatune.program import app

METRIC = frechet_metric("net")


def observed(rows):
    nothing = np.zeros(200)
    return Observation(
        name="scan",
        body_histogram=nothing,
        grid_histogram=nothing,
        thumbnail=np.zeros((2, 2, 2), np.float16),
        features={"net": np.asarray(rows, np.float32)},
        organs=(),
    )


def volumes(n, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(observed(rng.normal(shift, 1, (4, 3))) for _ in range(n))


def sets(*, early=3.0, late=0.5, n_early=6, n_late=6):
    return Sets(
        real=volumes(6), early=volumes(n_early, early, seed=1), late=volumes(n_late, late, seed=2)
    )


def test_the_eight_comparisons_stand_beside_those_of_the_study():
    rows = table(METRIC, sets())
    assert [row.experiment for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row.study for row in rows] == [0, 852.516, 0, 1.405, 0, 1.273, 4837.313, 4839.994]


def test_the_same_set_has_no_distance():
    rows = table(METRIC, sets())
    assert [rows[index].score.value for index in (0, 2, 4)] == pytest.approx([0, 0, 0], abs=1e-9)


def test_halves_lie_between_the_same_and_another_set():
    rows = table(METRIC, sets())
    assert 0 < rows[1].score.low < rows[1].score.high < rows[6].score.value
    assert [row.score.n for row in rows] == [6, 3, 6, 3, 6, 3, 6, 6]


def test_models_are_scored_against_all_real_scans():
    three = sets()
    rows = table(METRIC, three)
    assert rows[6].score.value == METRIC.value(three.early, three.real)
    assert rows[7].score.value == METRIC.value(three.late, three.real)


def test_of_unlike_numbers_as_many_count():
    early, late = same_number(sets(n_early=5, n_late=3))
    assert (len(early), len(late)) == (3, 3)
    assert table(METRIC, sets(n_early=5, n_late=3))[6].score.n == 3


def test_a_late_model_that_is_nearer_is_said_to_be():
    found = compare_models(METRIC, sets(early=3, late=0.5))
    assert found.value > found.null_high
    assert found.p == pytest.approx(1 / 501, abs=0.01)
    assert "ranks the late samples nearer to real scans than the early ones" in found.sentence()
    assert "lies outside" in found.sentence()


def test_a_late_model_that_is_further_off_is_said_to_be():
    found = compare_models(METRIC, sets(early=0.5, late=3))
    assert found.value < found.null_low
    assert "ranks the late samples no nearer to real scans" in found.sentence()
    assert "lies outside" in found.sentence()


def test_models_of_one_distribution_are_not_told_apart():
    found = compare_models(METRIC, sets(early=1, late=1))
    assert not found.is_beyond_null
    assert found.p > 0.05
    assert "lies within" in found.sentence()


def test_the_same_samples_twice_do_not_differ():
    real, samples = volumes(6), volumes(6, 1, seed=1)
    found = compare_models(METRIC, Sets(real=real, early=samples, late=samples))
    assert found.value == pytest.approx(0, abs=1e-9)
    assert not found.is_beyond_null


def test_one_volume_has_no_halves():
    with pytest.raises(InputError, match="the early set has 1: give more"):
        table(METRIC, sets(n_early=1))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write real scans, late samples with little noise and early ones with much noise.

    All volumes have 16 x 16 x 4 voxels.
    """
    root, rng = tmp_path_factory.mktemp("sets"), np.random.default_rng(0)
    place = np.linspace(-100, 200, 16)[:, None, None]
    for name, n, noise_hu in (("real", 4, 10), ("early", 5, 150), ("late", 4, 30)):
        for index in range(n):
            hu = place + rng.normal(0, noise_hu, (16, 16, 4))
            scan = Volume(array=hu.astype(np.float32), affine=np.eye(4))
            (root / name).mkdir(exist_ok=True)
            write_volume(root / name / f"{index}.nii.gz", scan)
    return root


def run(folders, out, *more, early="early", late="late"):
    options = ["--real", folders / "real", "--early", folders / early, "--late", folders / late]
    return CliRunner().invoke(
        app, ["frechet-study", *(str(one) for one in (*options, "--out", out, *more))]
    )


def test_the_command_writes_the_table_and_says_what_it_shows(folders, tmp_path):
    result = run(folders, tmp_path / "out")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "out" / "frechet_study.md").read_text()
    assert text.strip() in result.output
    assert "ranks the late samples nearer to real scans" in text
    assert "4 of 5 early and 4 of 4 late" in text
    assert "weights are random" in text
    assert text.count("\n| ") == 9
    assert "| 4837.313 |" in text
    lines = list(csv.DictReader((tmp_path / "out" / "frechet_study.csv").open()))
    assert len(lines) == 8
    assert float(lines[6]["value"]) > float(lines[7]["value"]) > float(lines[1]["value"])
    assert lines[7]["study"] == "4839.994"


def test_what_it_says_comes_of_the_volumes(folders, tmp_path):
    result = run(folders, tmp_path / "out", early="late", late="early")
    assert "no nearer to real scans" in result.output


def test_a_network_without_weights_stops_the_command(folders, tmp_path):
    result = run(folders, tmp_path / "out", "--features", "inception")
    assert result.exit_code == 2
    assert "inception needs a file with its weights" in result.output


def test_a_folder_without_scans_stops_the_command(folders, tmp_path):
    (folders / "nothing").mkdir(exist_ok=True)
    result = run(folders, tmp_path / "out", late="nothing")
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()
