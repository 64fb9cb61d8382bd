"""The command line that is made from the fields of SweepOptions."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ldm.config import Crop
from ldm.execution import Execution
from orchestration.options import Space, SweepOptions, takes_sweep_options


def run(*words, names=()):
    """Run a command with the options of these names and one of its own. Returns what it got."""
    got = []
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @takes_sweep_options(*names)
    def command(options: SweepOptions, loud: bool = False) -> None:
        got.append((options, loud))

    done = CliRunner().invoke(app, words, env={"MLFLOW_TRACKING_URI": ""})
    return got[0] if got else done.output


def test_a_field_is_an_option_with_its_default():
    assert run("--crop", "pancreas") == (SweepOptions(crop=Crop.PANCREAS), False)


def test_typed_options_reach_their_fields():
    options, _ = run(
        *("--crop", "semi-body", "--space", "thesis", "--trials", "3", "--workers", "2"),
        *("--data", "scans", "--micro-batch", "1", "--compile", "--seed", "5"),
    )
    assert options == SweepOptions(
        crop=Crop.SEMI_BODY,
        space=Space.THESIS,
        n_trials=3,
        n_workers=2,
        data=Path("scans"),
        micro_batch=1,
        is_compiled=True,
        seed=5,
    )
    assert options.execution == Execution(micro_batch_size=1, is_compiled=True)


def test_a_command_can_have_further_options():
    _, loud = run("--crop", "pancreas", "--loud")
    assert loud


def test_a_command_only_accepts_the_options_it_names():
    assert run("--crop", "pancreas", "--seed", "4", names=("crop", "seed"))[0].seed == 4
    assert "No such option" in run("--crop", "pancreas", "--epochs", "4", names=("crop", "seed"))


def test_an_unknown_option_name_is_refused():
    with pytest.raises(ValueError, match="sede"):
        takes_sweep_options("crop", "sede")


@pytest.mark.parametrize("words", [("--trials", "0"), ("--epochs", "1"), ("--workers", "0")])
def test_a_number_below_the_minimum_is_refused(words):
    assert words[0] in run("--crop", "pancreas", *words)
