"""Writes a report of the past week into a folder, each Monday, and mails it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from edge.config import Config
from edge.errors import MaskdError
from edge.system.atomic_file import write_own_file
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.system.time_zone import device_zone
from edge.system.worker import Worker

LOOK_S = 60.0
RETRY_S = 3600.0
PAUSE_S = 0.02
"""After each hundredth visit."""
AFTER_MIDNIGHT = timedelta(minutes=10)
"""For the visits that began on Sunday to come to their end."""
EARLIEST_CLOCK = 1_704_067_200.0
"""2024-01-01 in seconds since 1970; a clock that says less was never set."""
LOWEST_PRIORITY = 19

_log = logging.getLogger(__name__)


class WeeklyReport(Part):
    """The thread `weekly-report`, at the lowest priority of the system."""

    doing = "the weekly report"

    def __init__(
        self, config: Config, mail: Callable[[Config, Path], None], *, clock: Callable[[], float] = time.time
    ) -> None:
        """`mail` sends a report through the output that the settings name, and raises MaskdError."""
        self._config = config
        self._mail = mail
        self._clock = clock
        self._problem: str | None = None
        self._next_try_at = 0.0
        self._worker = Worker("weekly-report", self._work, on_failure=self._failed)

    def apply(self, config: Config) -> None:
        if (config.report, config.outputs.mail) != (self._config.report, self._config.outputs.mail):
            self._next_try_at = 0.0
        self._config = config
        self._worker.wake()

    def start(self) -> None:
        self._worker.start()

    def stop(self, _deadline: Deadline) -> None:
        """Does not wait for one that is under way: the next start makes it again."""
        self._worker.ask_to_stop()

    def status(self) -> PartStatus:
        problem = self._problem
        return PartStatus(() if problem is None else (problem,))

    def _work(self, now: float) -> float:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        config = self._config
        folder = config.report.folder
        if folder is None or config.privacy == "aggregate":
            self._problem = None
            return LOOK_S
        if now < self._next_try_at or self._clock() < EARLIEST_CLOCK:
            return LOOK_S
        self._next_try_at = now + RETRY_S
        self._problem = self._problem_of(config, folder)
        return LOOK_S

    def _problem_of(self, config: Config, folder: Path) -> str | None:
        """Writes and mails what is due."""
        try:
            write_last_week(config, folder, self._clock())
        except (MaskdError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            return f"the weekly report cannot be written to {folder}: {reason}; set report.folder to another folder"
        try:
            mail_last_week(config, folder, self._clock(), self._mail)
        except (MaskdError, OSError) as error:
            return f"the weekly report is not mailed yet, and tried again each hour: {error}"
        return None

    def _failed(self, error: BaseException) -> None:
        """Never the daemon's end."""
        self._problem = f"no weekly report is written any more: {error!r}; restart maskd, and please report this"
        _log.error("%s", self._problem, exc_info=error)


def write_last_week(config: Config, folder: Path, now: float) -> Path | None:
    """Returns the file; None: it was there already, or nothing is known of that week. Raises MaskdError and OSError."""
    # Once a week: not at the start.
    from edge.report.gather import report_of
    from edge.report.page import as_html

    zone, _ = device_zone()
    monday, next_monday = last_week(now, zone)
    path = folder / _name(config, monday)
    if path.exists():
        return None
    report = report_of(config, monday.timestamp(), next_monday.timestamp(), pause_s=PAUSE_S)
    if report.noted_since is None and not report.total.visits:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    write_own_file(path, as_html(report).encode(), mode=0o640)
    _log.info("the report of the past week is %s", path)
    for old in sorted(folder.glob(f"maskd-{config.device}-*-W??.html"))[: -config.report.keep_weeks]:
        old.unlink()
    return path


def mail_last_week(config: Config, folder: Path, now: float, mail: Callable[[Config, Path], None]) -> None:
    """Unless it was mailed already, or there is none. Raises MaskdError and OSError."""
    zone, _ = device_zone()
    path = folder / _name(config, last_week(now, zone)[0])
    note = folder / f"maskd-{config.device}-mailed"
    if config.report.mail is None or not path.exists() or (note.exists() and note.read_text().strip() == path.name):
        return
    mail(config, path)
    write_own_file(note, f"{path.name}\n".encode(), mode=0o640)
    _log.info("the report of the past week was mailed through %s", config.report.mail)


def _name(config: Config, monday: datetime) -> str:
    year, week, _ = monday.isocalendar()
    return f"maskd-{config.device}-{year}-W{week:02}.html"


def last_week(now: float, zone: tzinfo) -> tuple[datetime, datetime]:
    """The two Mondays, at midnight of the device's clock, between which the latest whole week lies."""
    local = datetime.fromtimestamp(now, zone) - AFTER_MIDNIGHT
    monday = datetime(local.year, local.month, local.day, tzinfo=zone) - timedelta(days=local.weekday())
    return monday - timedelta(days=7), monday
