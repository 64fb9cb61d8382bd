"""The page about objectives agrees with the recorded results."""

import sys

import pytest

from tests.support.repository import ROOT


@pytest.fixture
def objectives_table(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import objectives_table

    yield objectives_table
    del sys.modules["objectives_table"]


def test_the_page_is_up_to_date_with_the_results(objectives_table):
    assert (ROOT / "docs" / "objectives.md").read_text() == objectives_table.document()


def test_a_settings_mean_is_that_of_its_trainings(objectives_table):
    rows = objectives_table.rows()
    name = "objectives.pancreas.v.channel.0.001"
    values = [row["histogram_distance_hu"] for row in rows if row["name"] == name]
    (mean,) = (row for row in rows if row["name"] == f"{name}.mean")
    assert len(values) == mean["n_seeds"] == 3
    assert mean["histogram_distance_hu"] == pytest.approx(sum(values) / 3)


def test_a_cell_counts_trainings_that_did_not_learn(objectives_table):
    summary = {"histogram_distance_hu": 1.0, "low": 0.5, "high": 1.5, "n_stalled": 2}
    assert objectives_table.cell(summary) == "1.0 (0.5 to 1.5), 2 did not learn"
