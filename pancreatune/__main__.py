"""Run the program by ``python -m pancreatune``."""

from pancreatune.program import app

if __name__ == "__main__":
    app(prog_name="pancreatune")
