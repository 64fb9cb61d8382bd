"""The files of a study that its driver and its report read, as they come from the URL and go there.

Weights, samples and Ray's own state stay at the URL until somebody asks for them.
"""

from pathlib import Path

from orchestration.settings import SweepConfig
from orchestration.storage.sharing import Sharing
from orchestration.study.facts import STUDY_FILE
from orchestration.study.outbox import RECORDS, SENT

REPORTED = ("trials/*.json", "trials/*.png")
READ = (
    *("sweep.json", STUDY_FILE, "optuna.journal", RECORDS, "tune/*/ended"),
    *(*REPORTED, "trials/*.jsonl"),
)
OF_THIS_NODE = (SENT, "tracking.json")  # the second may hold a password: it is never pushed
WRITTEN = (STUDY_FILE, "trials.csv", "report.html", "finalists.csv")


def fetch_study(config: SweepConfig) -> None:
    """Make the study here what it is at the URL; before the sweep does anything else.

    What MLflow was told is known of a server only: a database is this machine's own, and it is told
    all once more where another machine has gone on.
    """
    records = config.folder / RECORDS
    before = _bytes(records)
    config.sharing.restore(config.folder, only=READ, keep=OF_THIS_NODE)
    if not config.tracking_uri.startswith("sqlite:"):
        config.sharing.fetch(config.folder / SENT)
    elif before != _bytes(records):
        (config.folder / SENT).unlink(missing_ok=True)


def fetch_reported(storage: Path, sharing: Sharing) -> list[Path]:
    """Fetch what the reports of all studies show, also while they run; returns their folders."""
    for name in sharing.names(storage):
        fetch_rows(storage / name, sharing)
    return sorted(path.parent for path in storage.glob(f"*/{STUDY_FILE}"))


def fetch_rows(folder: Path, sharing: Sharing) -> None:
    """Fetch what the reports of one study show, if there is one."""
    if sharing.fetch(folder / STUDY_FILE):
        sharing.fetch_tree(folder, only=REPORTED)


def push_files(folder: Path, sharing: Sharing) -> None:
    """Hand over what says what a study is and found."""
    sharing.push(*(folder / name for name in WRITTEN if (folder / name).is_file()))


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
