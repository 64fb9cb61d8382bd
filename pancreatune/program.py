"""The program ``pancreatune`` with its commands, in the order in which people use them.

Each command imports the code that it runs inside its function. So ``pancreatune --help`` does not
wait for torch, Ray and MLflow.
"""

import typer

from pancreatune import evaluate, export, frechet_study, prepare, sweep, train_autoencoder
from pancreatune.cluster import cluster
from pancreatune.doctor import doctor
from pancreatune.finalists import finalists
from pancreatune.nightly import nightly
from pancreatune.readers import readers
from pancreatune.report import report
from pancreatune.sync import sync

BEFORE, SEARCH, AFTER, JUDGE = (
    "Before a search",
    "Search",
    "After a search",
    "Judge any volumes",
)

app = typer.Typer(
    name="pancreatune",
    help="Generate abdominal CT that shows the pancreas, and measure how credible it is.",
    epilog="Start with: pancreatune sweep --crop pancreas",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command(rich_help_panel=BEFORE)(doctor)
app.command(rich_help_panel=BEFORE, epilog=prepare.EXAMPLES)(prepare.prepare)
app.command(rich_help_panel=BEFORE, epilog=train_autoencoder.EXAMPLES)(
    train_autoencoder.train_autoencoder
)
app.command(
    rich_help_panel=SEARCH,
    short_help="Search for the model that makes the most credible CT.",
    epilog=sweep.examples("pancreatune sweep"),
)(sweep.sweep)
app.command(rich_help_panel=SEARCH)(nightly)
app.add_typer(cluster, name="cluster", rich_help_panel=SEARCH)
app.command(rich_help_panel=AFTER)(report)
app.command(rich_help_panel=AFTER)(finalists)
app.command(rich_help_panel=AFTER, epilog=export.EXAMPLES)(export.export)
app.command(rich_help_panel=AFTER)(sync)
app.command(rich_help_panel=JUDGE, epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.add_typer(readers, name="readers", rich_help_panel=JUDGE)
app.command(rich_help_panel=JUDGE, epilog=frechet_study.EXAMPLES)(frechet_study.frechet_study)
