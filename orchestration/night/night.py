"""Run one night: check what it needs, run the sweep of each study, write the report."""

import dataclasses
import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rich.console import Console

from ldm.config import Crop
from ldm.errors import InputError
from orchestration.code_version import code_version
from orchestration.night.checks import Ailment, examine
from orchestration.night.cluster import bring_up, sweep_there
from orchestration.night.config import NightlyConfig
from orchestration.night.facts import StudyNight, best_of, count_unsent, notes_of, rows_of
from orchestration.night.problems import problems_of
from orchestration.night.report import LATEST, NightReport, nights, write_night
from orchestration.night.sweep import Task, failure_of, sweep_here
from orchestration.scoring.rescoring import clear, known_good, lay_out, read_rescored
from orchestration.storage.mirror import sharing_of
from orchestration.storage.sharing import SHARED_FOLDER
from orchestration.study.files import fetch_rows
from orchestration.study.outbox import RECORDS, SENT
from orchestration.study.sweep_outcome import SweepOutcome, read_sweep_outcome

REPORTS = "nightly"  # in the storage


class Night:
    """One night, from the checks to the report.

    Parameters
    ----------
    config
        What to run.
    begun, end
        When the night begins and when it has to end.
    lock
        File descriptor of the lock that the caller holds.
    console
        Where to print.
    """

    def __init__(
        self,
        config: NightlyConfig,
        *,
        begun: datetime,
        end: datetime,
        lock: int,
        console: Console,
    ) -> None:
        self._config, self._end, self._lock, self._console = config, end, lock, console
        self._sharing, self._folder = sharing_of(config.storage), config.folder / REPORTS
        self._fetch_reports()
        earlier = [night for night in nights(self._folder) if night.studies]
        self._before = earlier[-1] if earlier else None
        self._report = NightReport(
            name=_free_name(self._folder, begun),
            begun=begun.isoformat(timespec="seconds"),
            until=end.isoformat(timespec="seconds"),
            ended=None,
            code=code_version(),
            problems=(_unfinished(begun),),
            before=self._before.name if self._before else None,
            studies=(),
        )
        self._files = self._folder / self._report.name

    def run(self) -> int:
        """Run the night. Returns 0 if nothing needs attention, otherwise 1."""
        self._write(self._report)
        self._files.mkdir()
        self._forget()
        try:
            ailments = self._look()
            is_fit = not any(ailment.needed for ailment in ailments)
            studies = tuple(self._sweep(crop) for crop in self._config.crops) if is_fit else ()
            problems = (*(a.line for a in ailments), *problems_of(studies, self._before))
        except InputError as error:
            studies, problems = (), (str(error),)
        report = dataclasses.replace(
            self._report,
            ended=datetime.now().astimezone().isoformat(timespec="seconds"),
            problems=problems,
            studies=studies,
        )
        path = self._write(report)
        self._console.print(report.first_line)
        self._console.print(f"report: {self._sharing.shown(path)}")
        return 0 if report.is_good else 1

    def _look(self) -> list[Ailment]:
        """Print and return everything that is missing.

        Start the cluster, if there is one and nothing that the night needs is missing.
        """
        ailments = list(examine(self._config))
        for ailment in ailments:
            self._console.print(f"{'MISSING' if ailment.needed else 'warning:'} {ailment.line}")
        if self._config.cluster and not any(ailment.needed for ailment in ailments):
            self._console.print(bring_up(self._config.cluster, self._files / "ray-up.log"))
        return ailments

    def _sweep(self, crop: Crop) -> StudyNight:
        """Run the sweep of one study for its share of the time, and return what it did."""
        name = self._config.study(crop)
        folder = self._config.folder / name
        fetch_rows(folder, self._sharing)
        before = rows_of(folder)
        good = known_good(before)
        again = self._files / name / "again"
        task = Task(
            crop=crop,
            night=self._report.name,
            n_known=len(before),
            until=self._share(crop),
            rescored=lay_out(good, folder / "trials", again, self._sharing) if good else None,
            log=self._files / f"{name}.log",
            outcome=self._sharing.address(self._files / f"{name}.outcome.json"),
        )
        known = f"{len(before)} trials so far"
        self._console.print(f"{name}: {known}, until {task.until:%H:%M:%S}: {task.log}")
        message = self._run(task)
        fetch_rows(folder, self._sharing)
        self._sharing.fetch_tree(again)
        after, rescored = rows_of(folder), read_rescored(good, again) if good else None
        clear(again, self._sharing)
        self._sharing.push_tree(self._files)
        return StudyNight(
            study=name,
            message=message,
            n_trials=len(after),
            trials=notes_of(before, after),
            best=tuple(best_of(after)),
            rescored=rescored,
            n_unsent=self._count_unsent(folder),
        )

    def _count_unsent(self, folder: Path) -> int:
        """Return the number of records that were not yet sent to MLflow.

        A sweep on a cluster with a URL runs on another machine, so its records are fetched first.
        If that machine sends them to a local database, this one cannot know, and returns 0.
        """
        if self._config.cluster and self._sharing != SHARED_FOLDER:
            if not self._config.tracking_uri:
                return 0
            for name in (RECORDS, SENT):
                self._sharing.fetch(folder / name)
        return count_unsent(folder)

    def _run(self, task: Task) -> str:
        """Run a sweep. Returns why it did not finish, or "" if it did."""
        try:
            if self._config.cluster:
                code = sweep_there(self._config, task)
            else:
                code = sweep_here(self._config, task, self._lock)
        except InputError as error:
            return str(error)
        return failure_of(self._outcome(task), code, task.log)

    def _outcome(self, task: Task) -> SweepOutcome | None:
        """Return the outcome that the sweep wrote, or None if it was killed before."""
        path = self._sharing.place(task.outcome)
        if self._config.cluster:
            self._sharing.fetch(path)
        return read_sweep_outcome(path)

    def _share(self, crop: Crop) -> datetime:
        """Return when this crop's sweep has to end. The remaining crops share the time equally."""
        now = datetime.now().astimezone()
        n_left = len(self._config.crops) - self._config.crops.index(crop)
        return now + (self._end - now) / n_left

    def _fetch_reports(self) -> None:
        """Fetch the reports of all nights, including those of other machines."""
        for name in self._sharing.names(self._folder):
            if name.endswith(".json"):
                self._sharing.fetch(self._folder / name)

    def _write(self, report: NightReport) -> Path:
        """Write the report into the storage. Returns the path of its Markdown page."""
        page = write_night(self._folder, report, self._before)
        self._sharing.push(page, self._folder / LATEST, page.with_suffix(".json"))
        return page

    def _forget(self) -> None:
        """Remove the reports and logs of all nights but the last ``keep``."""
        for old in nights(self._folder)[: -self._config.keep]:
            for name in (f"{old.name}.md", f"{old.name}.json", old.name):
                self._sharing.remove(self._folder / name)


def _free_name(folder: Path, begun: datetime) -> str:
    """Return the night's name: its date, or ``DATE-2`` for a second night of the same date."""
    return next(name for name in _names(begun) if not (folder / f"{name}.json").exists())


def _names(begun: datetime) -> Iterator[str]:
    yield f"{begun:%Y-%m-%d}"
    n = 2
    while True:
        yield f"{begun:%Y-%m-%d}-{n}"
        n += 1


def _unfinished(begun: datetime) -> str:
    return (
        f"the night that began at {begun:%Y-%m-%d %H:%M} has not ended: it is running as process "
        f"{os.getpid()} on {socket.gethostname()}, or it was killed and the next night resumes it"
    )
