"""Who changed which setting, signed in at the page, or took recorded events away: kept by age in the state folder."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge.config import Config
from edge.config.difference import Difference, differences, differences_shown, shown
from edge.errors import MaskdError
from edge.payloads.payload import timestamp
from edge.store.clock_trust import ClockTrust
from edge.store.monthly_file import MonthlyFile
from edge.system.atomic_file import write_own_file
from edge.system.deadline import Deadline
from edge.system.masking import mask_url
from edge.system.part import Part, PartStatus
from edge.system.worker import Worker

FOLDER_NAME = "audit"
"""Below `storage.path`."""
LAST = "last.json"
"""In it: the settings, without secrets, as they were last in effect; a change of the file while maskd is down shows."""
WAITING_LIMIT = 1000
"""Changes that wait for a disk; past this many, the oldest are dropped and counted."""
RETRY_S = 10.0
TIDY_S = 3600.0
IDLE_S = 60.0

_log = logging.getLogger(__name__)

Door = Literal["file", "start", "command", "page", "command line"]
"""file: a reload of config.yaml; start: config.yaml as it was found at a start; command: over MQTT."""


@dataclass(frozen=True, slots=True)
class By:
    door: Door
    who: str | None = None
    """The file, the login or the user, as far as it is known. MQTT does not tell who sent a message."""


class Audit(Part):
    """The thread `audit`. A change never waits for its line: it is in effect before, and a disk that refuses gets the
    line later."""

    doing = "the log of changed settings"

    def __init__(self, config: Config) -> None:
        self._days = config.storage.audit_days
        self._file = MonthlyFile(config.storage.path / FOLDER_NAME)
        self._clock = ClockTrust()
        self._lock = threading.Lock()
        self._waiting: deque[dict[str, Any]] = deque()
        self._dropped = 0
        self._config = config
        self._is_changed = True
        self._problem: str | None = None
        self._next_tidy_at = 0.0
        self._worker = Worker("audit", self._work, on_failure=self._failed, on_stop=self._finish)

    def apply(self, config: Config) -> None:
        self._days = config.storage.audit_days
        self._config, self._is_changed = config, True

    def start(self) -> None:
        """After the store. What the file says otherwise than when maskd last ran was changed meanwhile."""
        before = self._read_last()
        if before is not None:
            self._add(differences_shown(before, shown(self._config)), By("start", "config.yaml"))
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        self._worker.stop(deadline)

    def status(self) -> PartStatus:
        problem = self._problem
        return PartStatus(() if problem is None else (problem,))

    def changed(self, before: Config, after: Config, by: By) -> None:
        """From any thread: `after` is in effect."""
        self._add(differences(before, after), by)
        self._worker.wake()

    def note(self, setting: str, new: str, by: By) -> None:
        """From any thread: what is no change of a setting, such as `page.sign_in`."""
        self._add([Difference(setting, None, new)], by)
        self._worker.wake()

    def answer(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """To the command `audit` on this device, by which another command tells what it has changed."""
        texts = [fields.get(name) for name in ("setting", "old", "new", "who")]
        if not all(text is None or (isinstance(text, str) and len(text) <= 200) for text in texts) or not texts[0]:
            raise MaskdError("a note has a setting, and old, new and who as short texts")
        setting, old, new, who = texts
        self._add([Difference(str(setting), old, new)], By("command line", who))
        self._worker.wake()
        return {}

    def _add(self, changes: list[Difference], by: By) -> None:
        now = time.time()
        with self._lock:
            for each in changes:
                self._waiting.append(line(each, by, now))
            while len(self._waiting) > WAITING_LIMIT:
                self._waiting.popleft()
                self._dropped += 1

    def _work(self, now: float) -> float:
        self._write()
        self._tidy(now)
        return RETRY_S if self._waiting else IDLE_S

    def _write(self) -> None:
        with self._lock:
            lines, dropped = [*self._waiting], self._dropped
        try:
            if lines:
                self._file.append(lines, time.time())
                with self._lock:
                    for _ in range(len(lines) - (self._dropped - dropped)):
                        self._waiting.popleft()
            if self._is_changed:
                self._is_changed = False
                self._file.folder.mkdir(mode=0o750, exist_ok=True)
                write_own_file(self._file.folder / LAST, json.dumps(shown(self._config)).encode(), mode=0o640)
            self._problem = None
        except OSError as error:
            self._is_changed = True
            problem = (
                f"changes of settings cannot be noted in {self._file.folder}: {error.strerror or error}; they are in "
                f"effect, and the last {WAITING_LIMIT} are noted once the disk takes them"
            )
            if self._problem is None:
                _log.warning("%s", problem)
            self._problem = problem

    def _tidy(self, now: float) -> None:
        wall = time.time()
        self._clock.observe(wall, now, lambda: ())
        if now >= self._next_tidy_at:
            self._next_tidy_at = now + TIDY_S
            if self._clock.is_trusted(wall, now):
                with suppress(OSError):
                    self._file.drop_older(self._days, wall)

    def _finish(self) -> None:
        self._write()

    def _failed(self, error: BaseException) -> None:
        """Never the daemon's end."""
        self._problem = f"changes of settings are not noted any more: {error!r}; restart maskd, and please report this"
        _log.error("%s", self._problem, exc_info=error)

    def _read_last(self) -> dict[str, Any] | None:
        try:
            value = json.loads((self._file.folder / LAST).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


def line(change: Difference, by: By, now: float) -> dict[str, Any]:
    """As it is kept."""
    return {
        "time": timestamp(now),
        "door": by.door,
        "who": None if by.who is None else mask_url(by.who),
        "setting": change.setting,
        "old": change.old,
        "new": change.new,
    }


def kept_lines(storage: Path, since: float = 0.0) -> list[dict[str, Any]]:
    """What was noted from `since` on (seconds since 1970), oldest first. Raises OSError."""
    begin = timestamp(since)
    lines = MonthlyFile(storage / FOLDER_NAME).lines(since)
    return [each for each in lines if isinstance(each.get("time"), str) and each["time"] >= begin]
