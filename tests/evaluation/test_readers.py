"""The commands of a reader study, from scans to tables."""

import pytest
from typer.testing import CliRunner

from pancreatune.program import app
from tests.support.small_readers import rows_of, study_folders, write_ratings


@pytest.fixture
def folders(tmp_path):
    return study_folders(tmp_path)


def test_the_commands_lead_from_scans_to_tables(folders):
    samples, real, out = folders
    arguments = ["--samples", str(samples), "--real", str(real), "--out", str(out), "--seed", "3"]
    assert CliRunner().invoke(app, ["readers", "prepare", *arguments]).exit_code == 0
    key = {row["case"]: row["kind"] for row in rows_of(out / "key.csv")}
    template = rows_of(out / "for_readers" / "ratings.csv")
    paths = []
    for reader in ("anna", "ben"):
        lines = [
            f"{reader},{row['case']},{row['plane']},{5 if key[row['case']] == 'real' else 1}"
            for row in template
        ]
        paths += ["--ratings", str(write_ratings(out / f"{reader}.csv", *lines))]
    scores = out / "scores"
    call = ["score", *paths, "--key", str(out / "key.csv"), "--out", str(scores)]
    result = CliRunner().invoke(app, ["readers", *call])
    assert result.exit_code == 0
    assert "| real | all | 3 | 5.00 | 5.00 to 5.00 |" in result.output
    assert "| anna and ben | axial | none | undefined | undefined to undefined |" in result.output
    assert {row["mean"] for row in rows_of(scores / "cases.csv")} == {"5.0", "1.0"}
    assert {row["kappa"] for row in rows_of(scores / "kappa.csv")} == {""}
    assert len(rows_of(scores / "kinds.csv")) == 8


def test_a_command_says_what_is_wrong_without_a_trace(tmp_path):
    key = write_ratings(tmp_path / "key.csv", "case_001,real,a", header="case,kind,file")
    ratings = write_ratings(tmp_path / "r.csv", "anna,case_001,axial,7")
    call = ["score", "--ratings", str(ratings), "--key", str(key), "--out", str(tmp_path)]
    result = CliRunner().invoke(app, ["readers", *call])
    assert result.exit_code == 2
    assert result.output.startswith("error: a rating is a whole number from 0 to 5")
