"""Reading nightly.yaml, and the messages about mistakes in it."""

from datetime import datetime, time
from pathlib import Path
from time import tzset

import pytest

from ldm.config import Crop
from ldm.errors import InputError
from orchestration.night.config import read_nightly_config
from tests.support.repository import ROOT

SHIPPED = ROOT / "deploy" / "nightly.yaml"
AMSTERDAM = "CET-1CEST,M3.5.0,M10.5.0/3"
LEAST = 'crops: [pancreas]\nuntil: "06:00"\nstorage: results\n'


@pytest.fixture
def read(tmp_path):
    def of(text):
        path = tmp_path / "nightly.yaml"
        path.write_text(text)
        return read_nightly_config(path)

    return of


@pytest.fixture
def in_amsterdam(monkeypatch):
    """Set the local time zone until the test ends."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", AMSTERDAM)
        tzset()
        yield
    tzset()


def test_three_fields_are_enough_for_a_night(read, tmp_path):
    config = read(LEAST)
    assert config.crops == (Crop.PANCREAS,)
    assert config.until == time(6, 0)
    assert config.folder == tmp_path / "results"
    assert config.trials is None


def test_a_storage_may_be_a_url(read, monkeypatch, tmp_path):
    monkeypatch.setenv("PANCREATUNE_MIRRORS", str(tmp_path))
    config = read(LEAST.replace("results", "s3://lab/results/"))
    assert config.storage == "s3://lab/results"
    assert config.folder.parent == tmp_path
    with pytest.raises(InputError, match="storage: --storage must be a folder or s3://"):
        read(LEAST.replace("results", "gs://lab/results"))


def test_the_file_of_this_project_describes_a_night_of_two_studies():
    config = read_nightly_config(SHIPPED)
    assert [config.study(crop) for crop in config.crops] == [
        "pancreas-full-default",
        "full-body-full-default",
    ]


def test_fields_in_comments_of_the_file_are_valid_too(read):
    lines = [line.removeprefix("# ") for line in SHIPPED.read_text().splitlines()]
    fields = [line for line in lines if line.split(":")[0].replace("_", "").isalpha()]
    config = read("\n".join(line for line in fields if not line.startswith("address")))
    assert (config.gpus, config.epochs, config.keep) == (8, 2600, 30)
    assert config.cluster.name == "ray_cluster.yaml"


def test_relative_paths_start_at_the_folder_of_the_file(read, tmp_path):
    config = read(LEAST + "data: scans\nautoencoder: /weights/a.pt\n")
    assert config.data == tmp_path / "scans"
    assert config.autoencoder == Path("/weights/a.pt")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("crop: pancreas", "crop: unknown field, the known ones are crops, until, storage"),
        ("crops: pancreas", "crops: must be a list of crops, such as [pancreas], got 'pancreas'"),
        ("crops: [liver]", "crops: must be one of full-body, "),
        ("crops: [pancreas, pancreas]", "crops: must name each crop once"),
        ("until: 22:30", 'until: must be a time of day in quotes, such as "06:00", got 1350'),
        ('until: "6 am"', "until: must be a time of day in quotes"),
        ("trials: 0", "trials: must be a whole number of 1 or more or `fit`, got 0"),
        ("trials: true", "trials: must be a whole number"),
        ("epochs: 2.5", "epochs: must be a whole number of 2 or more, got 2.5"),
        ("recipe: big", "recipe: must be one of demo, full, thesis, got 'big'"),
        ("storage: 7", "storage: must be text, got 7"),
        ("storage: ''", "storage: must be text, got ''"),
        ("data:", "data: must be text, got None"),
        ("epochs:", "epochs: must be a whole number of 2 or more, got None"),
        ("hash_cases: maybe", "hash_cases: must be true or false, got 'maybe'"),
        ("cluster: a.yaml\naddress: auto", "cluster and address: give only one"),
    ],
)
def test_the_error_of_a_wrong_field_has_rule_and_value(read, line, said):
    kept = [one for one in LEAST.splitlines() if one.split(":")[0] != line.split(":")[0]]
    with pytest.raises(InputError) as raised:
        read("\n".join([*kept, line]))
    assert said in str(raised.value)


def test_all_mistakes_are_reported_at_once(read):
    with pytest.raises(InputError) as raised:
        read("epochs: 1\nnights: 7\n")
    told = str(raised.value).splitlines()
    assert [line.split(":")[0].strip() for line in told[1:]] == [
        *("nights", "crops", "until", "storage", "epochs")
    ]


@pytest.mark.parametrize("text", ["", "- pancreas", "a: [", "!!python/object/apply:os.getcwd []"])
def test_a_file_that_is_not_a_mapping_is_refused(read, text):
    with pytest.raises(InputError, match=r"nightly\.yaml must"):
        read(text)


@pytest.mark.parametrize(
    ("begun", "end"),
    [
        ("2026-01-30T20:00:00+01:00", "2026-01-31T06:00:00+01:00"),
        ("2026-01-31T05:59:00+01:00", "2026-01-31T06:00:00+01:00"),
        ("2026-01-31T06:00:00+01:00", "2026-02-01T06:00:00+01:00"),
        ("2026-03-28T20:00:00+01:00", "2026-03-29T06:00:00+02:00"),  # summer begins at 2:00
    ],
)
@pytest.mark.usefixtures("in_amsterdam")
def test_a_night_ends_at_the_next_time_with_that_hour(read, begun, end):
    assert read(LEAST).ends_after(datetime.fromisoformat(begun)) == datetime.fromisoformat(end)
