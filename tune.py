"""Run a sweep: ``python tune.py --crop pancreas`` is short for ``pancreatune sweep``."""

import typer

from pancreatune.sweep import examples, sweep

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command(epilog=examples("python tune.py"))(sweep)

if __name__ == "__main__":
    app()
