"""Exchange the small files of a study with the URL of its storage.

These are the files that the driver and the reports read. Weights, samples and Ray's state are only
fetched when they are needed. If the storage is a folder, there is nothing to exchange.
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
# tracking.json may contain a password, so it is never pushed.
OF_THIS_NODE = (SENT, "tracking.json")
WRITTEN = (STUDY_FILE, "trials.csv", "report.html", "finalists.csv")


def fetch_study(config: SweepConfig) -> None:
    """Make this node's copy of a study equal to that at the URL. Call this before anything else.

    An MLflow server is shared, so the number of records it has received is fetched too. A database
    belongs to this machine: if another machine has continued the study, all records are sent to it
    again.
    """
    records = config.folder / RECORDS
    before = _bytes(records)
    config.sharing.restore(config.folder, only=READ, keep=OF_THIS_NODE)
    if not config.tracking_uri.startswith("sqlite:"):
        config.sharing.fetch(config.folder / SENT)
    elif before != _bytes(records):
        (config.folder / SENT).unlink(missing_ok=True)


def fetch_reported(storage: Path, sharing: Sharing) -> list[Path]:
    """Fetch all files that the reports of all studies show.

    ``storage`` is the storage folder on this node. Returns the folders of the studies. Empty if
    there is none.
    """
    for name in sharing.names(storage):
        fetch_rows(storage / name, sharing)
    return sorted(path.parent for path in storage.glob(f"*/{STUDY_FILE}"))


def fetch_rows(folder: Path, sharing: Sharing) -> None:
    """Fetch all files that the report of a study shows, pictures included.

    Does nothing if the URL has no study in this folder.
    """
    if sharing.fetch(folder / STUDY_FILE):
        sharing.fetch_tree(folder, only=REPORTED)


def push_files(folder: Path, sharing: Sharing) -> None:
    """Push the files that describe a study and its results, as far as they exist.

    ``folder`` is the folder of the study.
    """
    sharing.push(*(folder / name for name in WRITTEN if (folder / name).is_file()))


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
