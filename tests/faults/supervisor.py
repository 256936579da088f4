"""Starts, stops and watches the daemon's process, as systemd does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.checks import Number
from tests.faults.growth import Usage
from tests.faults.log_pipe import LogPipe

RESTART_S = 1.0
"""A daemon that failed is started again after so long."""
STARTING_S = 10.0
_EVENT_LINE = re.compile(r"\bseq (\d+)\)?$")
_EPOCH_LINE = re.compile(r"events are numbered from \d+ in the epoch (\w+)$")


class Supervisor:
    """All methods belong to one thread, which must call tend() often."""

    def __init__(self, folder: Path, note: Callable[[str], None]) -> None:
        """`folder` has `config.yaml` and what else tests.faults.daemon_process wants, and gets `daemon.log`."""
        self.environment: dict[str, str] = {}
        """Of the daemon, on top of this process's."""
        self.reads_log = threading.Event()
        """Cleared while what the daemon logs is not read."""
        self.reads_log.set()
        self.may_lose = False
        """A stop may end with status 1, which says that the disk did not take everything in time."""
        self.cut_short_at: list[float] = []
        """When a process was killed, or stopped with status 1: what the disk had not taken is then not known any more.
        In seconds of time.monotonic()."""
        self.forgiven_until = 0.0
        """The daemon may fail until then (monotonic seconds): the disk is full."""
        self.starts = 0
        self.stops: list[float] = []
        """Seconds that each stop in order took."""
        self.failures: list[str] = []
        """Exits that nobody asked for."""
        self._folder = folder
        self._note = note
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: LogPipe | None = None
        self._started_at = 0.0
        self._restart_at: float | None = None
        self._log_offset = 0
        self._log: list[str] = []
        self._log_searched = 0
        self._epoch = ""
        self._committed: set[Number] = set()

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        assert self._process is None
        self._note("the daemon is started")
        self._pipe = LogPipe(self._folder / "daemon.log", self.reads_log)
        self._process = subprocess.Popen(
            self._command(),
            stdout=self._pipe.writing,
            stderr=self._pipe.writing,
            env={**os.environ, **self.environment},
        )
        self._pipe.started()
        self.starts += 1
        self._started_at = time.monotonic()
        self._restart_at = None

    def start_another(self) -> str:
        """A second daemon with the same configuration, next to the one that runs; returns what it says until it ends.
        Raises AssertionError where it does not, or ends as if all were right."""
        second = subprocess.Popen(
            self._command(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.environment},
            text=True,
        )
        try:
            said, _ = second.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            second.kill()
            said, _ = second.communicate()
            raise AssertionError(f"a second daemon runs next to the first: {said[-500:]}") from None
        assert second.returncode, f"a second daemon ended with status 0: {said[-500:]}"
        return said

    def _command(self) -> list[str]:
        files = [str(self._folder / name) for name in ("clock", "boot", "machine")]
        return [sys.executable, "-m", "tests.faults.daemon_process", *files, "-c", str(self._folder / "config.yaml")]

    def kill(self) -> None:
        """As by a crash; nothing starts it again."""
        self._restart_at = None
        if self._process is not None:
            self._note("the daemon is killed")
            self.cut_short_at.append(time.monotonic())
            self._process.kill()
            self._process.wait()
            self._process = None
            self._ended()

    def stop(self) -> None:
        """In order, by SIGTERM; how long it took goes to `stops`."""
        self._restart_at = None
        if self._process is None:
            return
        self._note("the daemon is stopped")
        begin = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the daemon did not stop within 20 s of SIGTERM") from None
        self._process = None
        self.stops.append(time.monotonic() - begin)
        self._ended()
        if status == 1:
            self.cut_short_at.append(time.monotonic())
        # Before Python has come as far as to ask for signals, one simply ends it.
        is_early = status == -signal.SIGTERM and begin - self._started_at < STARTING_S
        if status != 0 and not is_early and not (status == 1 and self.may_lose):
            self.failures.append(f"the daemon left with status {status} on SIGTERM: {self.log[-1:]}")

    def _ended(self) -> None:
        if self._pipe is not None:
            self._pipe.finish()
            self._pipe = None

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def tend(self) -> None:
        """Starts a daemon that has failed again."""
        if self._process is not None and (status := self._process.poll()) is not None:
            self._process = None
            self._ended()
            self._note(f"the daemon left with status {status}")
            if time.monotonic() > self.forgiven_until:
                self.failures.append(f"the daemon left by itself with status {status}: {self.log[-1:]}")
            self._restart_at = time.monotonic() + RESTART_S
        if self._restart_at is not None and time.monotonic() >= self._restart_at:
            self.start()

    def usage(self) -> Usage | None:
        """None where no daemon runs."""
        if self._process is None:
            return None
        process = Path("/proc") / str(self._process.pid)
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return Usage(
            start=self.starts,
            age_s=time.monotonic() - self._started_at,
            rss_mb=int(status["VmRSS"].split()[0]) / 1024,
            files=len(list((process / "fd").iterdir())),
            threads=int(status["Threads"]),
        )

    @property
    def log(self) -> list[str]:
        """The daemon's log, all starts together."""
        path = self._folder / "daemon.log"
        if path.exists():
            with path.open("rb") as file:
                file.seek(self._log_offset)
                complete, newline, _ = file.read().rpartition(b"\n")
            self._log_offset += len(complete) + len(newline)
            self._log += complete.decode("utf-8", errors="replace").splitlines()
        return self._log

    def committed(self) -> set[Number]:
        """The numbers of the events that the daemon said were safe."""
        for line in self.log[self._log_searched :]:
            if match := _EPOCH_LINE.search(line):
                self._epoch = match[1]
            elif match := _EVENT_LINE.search(line):
                self._committed.add(Number(self._epoch, int(match[1])))
        self._log_searched = len(self._log)
        return self._committed
