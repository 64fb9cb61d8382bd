"""A command line that is made of a declaration."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ldm.config import Crop
from ldm.execution import Execution
from orchestration.options import Space, SweepOptions, takes_sweep_options


def run(*words, names=()):
    """What a command is given that takes the options of these names, and one of its own."""
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


def test_what_is_typed_reaches_its_field():
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


def test_a_commands_own_options_come_besides():
    _, loud = run("--crop", "pancreas", "--loud")
    assert loud


def test_a_command_takes_the_options_that_it_names_and_no_other():
    assert run("--crop", "pancreas", "--seed", "4", names=("crop", "seed"))[0].seed == 4
    assert "No such option" in run("--crop", "pancreas", "--epochs", "4", names=("crop", "seed"))


def test_a_name_that_no_option_has_is_refused():
    with pytest.raises(ValueError, match="sede"):
        takes_sweep_options("crop", "sede")


@pytest.mark.parametrize("words", [("--trials", "0"), ("--epochs", "1"), ("--workers", "0")])
def test_a_number_below_its_least_is_refused_by_its_option(words):
    assert words[0] in run("--crop", "pancreas", *words)
