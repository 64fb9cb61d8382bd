"""``python -m pancreatune`` is the program ``pancreatune``."""

from pancreatune.program import app

if __name__ == "__main__":
    app(prog_name="pancreatune")
