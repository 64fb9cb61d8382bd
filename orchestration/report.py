"""The files of a study that people read: ``pancreatune report`` writes them again."""

from pathlib import Path

from rich.console import Console

from ldm.errors import InputError
from orchestration.reports.page import write_page
from orchestration.reports.trial_table import write_table
from orchestration.storage.mirror import folder_of, sharing_of
from orchestration.study.facts import STUDY_FILE, read_study
from orchestration.study.files import fetch_reported, push_files
from orchestration.study.ledger import Ledger
from orchestration.study.trial_rows import trial_rows


def write_report(folder: Path) -> list[Path]:
    """Write ``trials.csv`` and ``report.html`` of a study from what its folder holds."""
    facts, rows = read_study(folder), trial_rows(Ledger(folder / "trials"))
    return [write_table(folder, rows), write_page(folder, facts, rows)]


def write_reports(storage: str, console: Console) -> int:
    """Write the reports of every study in a storage folder or URL; returns 0."""
    sharing = sharing_of(storage)
    sharing.check(writes=False)
    folders = fetch_reported(folder_of(storage), sharing)
    if not folders:
        raise InputError(
            f"a storage folder holds studies, folders with a {STUDY_FILE}, {storage} has none: "
            "give the --storage of the sweep"
        )
    for folder in folders:
        for path in write_report(folder):
            console.print(str(path), highlight=False, soft_wrap=True)
        push_files(folder, sharing)
    return 0
