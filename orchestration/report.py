"""Write the table and the page of a study: ``pancreatune report``."""

from pathlib import Path

from rich.console import Console

from ldm.errors import InputError
from orchestration.reports.page import write_page
from orchestration.reports.trial_table import write_trials_csv
from orchestration.storage.mirror import folder_of, sharing_of
from orchestration.study.facts import STUDY_FILE, read_study
from orchestration.study.files import fetch_reported, push_files
from orchestration.study.ledger import Ledger
from orchestration.study.trial_rows import trial_rows


def write_report(folder: Path) -> list[Path]:
    """Write ``trials.csv`` and ``report.html`` into a study's folder. Returns their paths.

    Raises InputError if files of the study are missing or damaged.
    """
    facts, rows = read_study(folder), trial_rows(Ledger(folder / "trials"))
    return [write_trials_csv(folder, rows), write_page(folder, facts, rows)]


def write_reports(storage: str, console: Console) -> int:
    """Write the reports of all studies in a storage folder or URL and print their paths.

    Returns 0. Raises InputError if there is no study.
    """
    sharing = sharing_of(storage)
    sharing.check(writes=False)
    folders = fetch_reported(folder_of(storage), sharing)
    if not folders:
        raise InputError(
            f"--storage must contain studies, which are folders with a {STUDY_FILE}",
            seen=f"{storage} has none",
            remedy="give the --storage of the sweep",
        )
    for folder in folders:
        for path in write_report(folder):
            console.print(str(path), highlight=False, soft_wrap=True)
        push_files(folder, sharing)
    return 0
