"""One night: check, sweep each study, report."""

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
from orchestration.night.facts import StudyNight, best_of, n_unsent, notes_of, rows_of
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
    """Runs one night. ``lock`` is the open file of the lock that its caller holds."""

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
        """Check, sweep each study, report. Returns 0 if nothing needs a person, else 1."""
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
        """Everything that is missing. If nothing needed is, the cluster is started too."""
        ailments = list(examine(self._config))
        for ailment in ailments:
            self._console.print(f"{'MISSING' if ailment.needed else 'away'} {ailment.line}")
        if self._config.cluster and not any(ailment.needed for ailment in ailments):
            self._console.print(bring_up(self._config.cluster, self._files / "ray-up.log"))
        return ailments

    def _sweep(self, crop: Crop) -> StudyNight:
        """Run one study's sweep for its share of the time, and gather what it left."""
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
            n_kept=self._n_unsent(folder),
        )

    def _n_unsent(self, folder: Path) -> int:
        """The number of records that MLflow has not taken yet.

        A sweep on a cluster with a URL keeps them on another machine: they are read from the URL.
        If it has a local database there, nothing is known of it here, and 0 is returned.
        """
        if self._config.cluster and self._sharing != SHARED_FOLDER:
            if not self._config.tracking_uri:
                return 0
            for name in (RECORDS, SENT):
                self._sharing.fetch(folder / name)
        return n_unsent(folder)

    def _run(self, task: Task) -> str:
        """Run a sweep. Returns why it did not come to its end, or "" if it did."""
        try:
            if self._config.cluster:
                code = sweep_there(self._config, task)
            else:
                code = sweep_here(self._config, task, self._lock)
        except InputError as error:
            return str(error)
        return failure_of(self._outcome(task), code, task.log)

    def _outcome(self, task: Task) -> SweepOutcome | None:
        """How the sweep says that it ended, or None if it was killed."""
        path = self._sharing.place(task.outcome)
        if self._config.cluster:
            self._sharing.fetch(path)
        return read_sweep_outcome(path)

    def _share(self, crop: Crop) -> datetime:
        """When this crop's sweep has to end: the remaining crops share the time left equally."""
        now = datetime.now().astimezone()
        n_left = len(self._config.crops) - self._config.crops.index(crop)
        return now + (self._end - now) / n_left

    def _fetch_reports(self) -> None:
        """Fetch the reports of all nights, on whichever machine they ran."""
        for name in self._sharing.names(self._folder):
            if name.endswith(".json"):
                self._sharing.fetch(self._folder / name)

    def _write(self, report: NightReport) -> Path:
        """Write the report into the storage. Returns the path of its page."""
        page = write_night(self._folder, report, self._before)
        self._sharing.push(page, self._folder / LATEST, page.with_suffix(".json"))
        return page

    def _forget(self) -> None:
        """Remove the files of all nights but the last ``keep``."""
        for old in nights(self._folder)[: -self._config.keep]:
            for name in (f"{old.name}.md", f"{old.name}.json", old.name):
                self._sharing.remove(self._folder / name)


def _free_name(folder: Path, begun: datetime) -> str:
    """The date as the night's name. A second night of the same date is called ``DATE-2``."""
    return next(name for name in _names(begun) if not (folder / f"{name}.json").exists())


def _names(begun: datetime) -> Iterator[str]:
    yield f"{begun:%Y-%m-%d}"
    n = 2
    while True:
        yield f"{begun:%Y-%m-%d}-{n}"
        n += 1


def _unfinished(begun: datetime) -> str:
    return (
        f"the night begun at {begun:%Y-%m-%d %H:%M} has not ended: it runs as process "
        f"{os.getpid()} of {socket.gethostname()}, or was killed, and the next goes on with it"
    )
