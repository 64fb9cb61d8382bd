"""One night from its lock to its report."""

import dataclasses
import os
import shutil
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
from orchestration.night.facts import StudyNight, best_of, n_kept, notes_of, rows_of
from orchestration.night.problems import problems_of
from orchestration.night.report import NightReport, nights, write_night
from orchestration.night.sweep import Task, has_concluded, last_line, sweep_here
from orchestration.scoring.rescoring import known_good, lay_out, read_rescored


class Night:
    """Runs one night; ``lock`` is the open file of the lock that it holds."""

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
        self._folder = config.storage / "nightly"
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
        """Look, sweep, report; returns 0 where nothing needs a person, else 1."""
        write_night(self._folder, self._report, self._before)
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
        path = write_night(self._folder, report, self._before)
        self._console.print(report.first_line)
        self._console.print(f"report: {path}")
        return 0 if report.is_good else 1

    def _look(self) -> list[Ailment]:
        """What the doctor misses; then, if it may, it has the cluster up."""
        ailments = list(examine(self._config))
        for ailment in ailments:
            self._console.print(f"{'MISSING' if ailment.needed else 'away'} {ailment.line}")
        if self._config.cluster and not any(ailment.needed for ailment in ailments):
            self._console.print(bring_up(self._config.cluster, self._files / "ray-up.log"))
        return ailments

    def _sweep(self, crop: Crop) -> StudyNight:
        """One study's share of the time that is left."""
        name = self._config.study(crop)
        folder = self._config.storage / name
        before = rows_of(folder)
        good = known_good(before)
        again = self._files / name / "again"
        task = Task(
            crop=crop,
            night=self._report.name,
            n_known=len(before),
            until=self._share(crop),
            rescored=lay_out(good, folder / "trials", again) if good else None,
            log=self._files / f"{name}.log",
        )
        known = f"{len(before)} trials so far"
        self._console.print(f"{name}: {known}, until {task.until:%H:%M:%S}: {task.log}")
        message = self._run(task)
        after = rows_of(folder)
        return StudyNight(
            study=name,
            message=message,
            n_trials=len(after),
            trials=notes_of(before, after),
            best=tuple(best_of(after)),
            rescored=read_rescored(good, again) if good else None,
            n_kept=n_kept(folder),
        )

    def _run(self, task: Task) -> str:
        """Run a sweep to its end; why it has no end of its own, or nothing."""
        try:
            if self._config.cluster:
                code = sweep_there(self._config, task)
            else:
                code = sweep_here(self._config, task, self._lock)
        except InputError as error:
            return str(error)
        return "" if has_concluded(task.log) else f"exit code {code}: {last_line(task.log)}"

    def _share(self, crop: Crop) -> datetime:
        """Until when: the crops that are left have equal shares of the time that is left."""
        now = datetime.now().astimezone()
        n_left = len(self._config.crops) - self._config.crops.index(crop)
        return now + (self._end - now) / n_left

    def _forget(self) -> None:
        """Remove the files of nights before the last ``keep``."""
        for old in nights(self._folder)[: -self._config.keep]:
            for suffix in (".md", ".json"):
                (self._folder / f"{old.name}{suffix}").unlink(missing_ok=True)
            shutil.rmtree(self._folder / old.name, ignore_errors=True)


def _free_name(folder: Path, begun: datetime) -> str:
    """The date; a second night of one date is ``-2``."""
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
