"""The daemon under trial and everything around it: broker, proxy, cameras, clock, disk and subscriber."""

from __future__ import annotations

import json
import re
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import yaml

from edge.messaging.events import parse_event
from tests.faults import traffic
from tests.faults.checks import ArrivedEvent, Usage
from tests.faults.collector import Collector
from tests.faults.disk import Disk, SmallDisk
from tests.faults.proxy import Proxy
from tests.mjpeg_server import MjpegServer
from tests.mosquitto import Mosquitto, free_port

DEVICE = "lobby"
CAMERAS = ("door", "hall")
RESTART_S = 1.0
"""A daemon that failed is started again after so long, as systemd does."""
STARTING_S = 10.0
_TICK_S = 0.02
_EVENT_LINE = re.compile(r"\bseq (\d+)\)?$")


class RigError(AssertionError):
    """What should not happen did, or what should did not."""


class Rig:
    """One device that lives through many faults. As a context manager it is running on entry.

    All methods belong to one thread, which must come by often (every wait does): it is also what starts a daemon that
    has failed.
    """

    def __init__(self, folder: Path, *, protocol: str = "5", disk: Disk = Disk.ORDINARY) -> None:
        """`folder` must not exist."""
        self.folder = folder
        self.storage = folder / "storage"
        self.disk = SmallDisk(self.storage, disk) if disk is not Disk.ORDINARY else None
        self.forgiven_until = 0.0
        """The daemon may fail until then (monotonic seconds): the disk is full."""
        self.unrecorded: set[int] = set()
        """Numbers of events that a fault took out of the record."""
        self.torn_lines = 0
        """Lines of the record of which a fault may have left one half."""
        self.starts = 0
        self.stops: list[float] = []
        """Seconds that each stop in order took."""
        self.failures: list[str] = []
        """Exits that nobody asked for."""
        self._protocol = protocol
        self._begin = time.monotonic()
        self._daemon: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._restart_at: float | None = None
        self._log_offset = 0
        self._log: list[str] = []
        self._log_searched = 0
        self._committed: set[int] = set()
        self._arrivals_searched = 0
        self._events: list[ArrivedEvent] = []
        self._arrived: set[int] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Rig:
        self.folder.mkdir(parents=True)
        self.storage.mkdir()
        if self.disk is not None:
            self.disk.attach()
            self._stack.callback(self.disk.detach)
        loop = traffic.pictures()
        traffic.write_clip(self.folder / "door.avi", loop)
        self._jpegs = traffic.as_jpegs(loop)
        self.step_clock(0.0)
        self.boot_anew()
        # Without limits on what is in flight, a message is with the subscriber before the daemon hears that it was
        # taken; so a broker that is killed takes nothing with it that the daemon has forgotten.
        self.broker = Mosquitto(self.folder / "mosquitto", persistence=True, extra=["max_inflight_messages 0"])
        self.broker.start()
        self._stack.callback(self.broker.stop)
        self.proxy = self._stack.enter_context(Proxy(self.broker.port))
        self.collector = self._stack.enter_context(
            Collector(self.broker.port, f"maskd/{DEVICE}/#", self.folder / "received.jsonl")
        )
        self._camera_port = free_port()
        self._camera: MjpegServer | None = None
        self._stack.callback(self.camera_goes)
        self.camera_comes()
        self._write_config()
        self._stack.callback(self.kill_daemon)
        self.wait_until(lambda: self.collector.subscriptions, what="the subscription", timeout=20)
        self.start_daemon()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # The daemon

    @property
    def running(self) -> bool:
        return self._daemon is not None

    def start_daemon(self) -> None:
        assert self._daemon is None
        self.note("the daemon is started")
        command = [sys.executable, "-m", "tests.faults.daemon_process"]
        command += [str(self.folder / "clock"), str(self.folder / "boot"), "-c", str(self.folder / "config.yaml")]
        with (self.folder / "daemon.log").open("ab") as log:
            self._daemon = subprocess.Popen(command, stdout=log, stderr=log)
        self.starts += 1
        self._started_at = time.monotonic()
        self._restart_at = None

    def kill_daemon(self) -> None:
        """As by a crash; nothing starts it again."""
        self._restart_at = None
        if self._daemon is not None:
            self.note("the daemon is killed")
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None

    def stop_daemon(self) -> None:
        """In order, by SIGTERM; how long it took goes to `stops`."""
        self._restart_at = None
        if self._daemon is None:
            return
        self.note("the daemon is stopped")
        begin = time.monotonic()
        self._daemon.send_signal(signal.SIGTERM)
        try:
            status = self._daemon.wait(20)
        except subprocess.TimeoutExpired:
            self.kill_daemon()
            raise RigError("the daemon did not stop within 20 s of SIGTERM") from None
        self._daemon = None
        self.stops.append(time.monotonic() - begin)
        # Before Python has come as far as to ask for signals, one simply ends it.
        if status != 0 and not (status == -signal.SIGTERM and begin - self._started_at < STARTING_S):
            self.failures.append(f"the daemon left with status {status} on SIGTERM: {self.log[-1:]}")

    def signal_daemon(self, number: signal.Signals) -> None:
        if self._daemon is not None:
            self._daemon.send_signal(number)

    def usage(self) -> Usage | None:
        """None where no daemon runs."""
        if self._daemon is None:
            return None
        process = Path("/proc") / str(self._daemon.pid)
        lines = (process / "status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return Usage(
            start=self.starts,
            age_s=time.monotonic() - self._started_at,
            rss_mb=int(status["VmRSS"].split()[0]) / 1024,
            files=len(list((process / "fd").iterdir())),
            threads=int(status["Threads"]),
        )

    # What the daemon says

    @property
    def log(self) -> list[str]:
        """The daemon's log, all starts together."""
        path = self.folder / "daemon.log"
        if path.exists():
            with path.open("rb") as file:
                file.seek(self._log_offset)
                complete, newline, _ = file.read().rpartition(b"\n")
            self._log_offset += len(complete) + len(newline)
            self._log += complete.decode("utf-8", errors="replace").splitlines()
        return self._log

    def committed(self) -> set[int]:
        """The numbers of the events that the daemon said were safe."""
        for line in self.log[self._log_searched :]:
            if match := _EVENT_LINE.search(line):
                self._committed.add(int(match[1]))
        self._log_searched = len(self._log)
        return self._committed

    def events(self) -> list[ArrivedEvent]:
        """Every event that arrived, repeats among them, in order of arrival."""
        arrivals = self.collector.arrivals
        while self._arrivals_searched < len(arrivals):
            arrival = arrivals[self._arrivals_searched]
            self._arrivals_searched += 1
            if arrival.topic.endswith("/event"):
                self._events.append(ArrivedEvent(arrival, json.loads(arrival.payload)))
                self._arrived.add(self._events[-1].seq)
        return self._events

    def arrived(self) -> set[int]:
        """The numbers of those."""
        self.events()
        return self._arrived

    def newest(self, topic_end: str, since: float) -> bytes | None:
        """The payload that came last on such a topic after `since`, in monotonic seconds."""
        for arrival in reversed(self.collector.arrivals.copy()):
            if arrival.at < since:
                return None
            if arrival.topic.endswith(topic_end):
                return arrival.payload
        return None

    def recorded(self) -> list[str]:
        """The lines of the local record; one that is being written has no end yet, and does not count."""
        files = sorted((self.storage / "record").glob("*.jsonl"))
        return [line for path in files for line in path.read_text(errors="replace").split("\n")[:-1]]

    @contextmanager
    def losing_of_the_record(self) -> Iterator[None]:
        """What happens to the record meanwhile is the fault's doing. No daemon may write to it at the end."""
        before = self.recorded()
        yield
        lost = Counter(before) - Counter(self.recorded())
        self.unrecorded |= {event.seq for line in lost if (event := parse_event(line.encode())) is not None}
        self.torn_lines += 1

    # What is around the daemon

    def broker_comes_for_all(self, start: Callable[[], None]) -> None:
        """Brings a broker up that may have forgotten the subscriber, and lets the daemon in once that one is back: what
        a broker takes while nobody has subscribed is gone, and no daemon can help it."""
        before = self.collector.subscriptions
        start()
        self.wait_until(lambda: self.collector.subscriptions > before, what="the subscriber's return", timeout=20)
        self.proxy.open_gate()

    def camera_goes(self) -> None:
        if self._camera is not None:
            self._camera.__exit__(None, None, None)
            self._camera = None

    def camera_comes(self) -> None:
        if self._camera is None:
            self._camera = MjpegServer(self._camera_port, traffic.FPS, self._jpegs).__enter__()

    def silence_camera(self, silent: bool) -> None:
        if self._camera is not None:
            self._camera.silent.set() if silent else self._camera.silent.clear()

    def step_clock(self, seconds: float) -> None:
        """Puts the daemon's wall clock off by so much from now on."""
        path = self.folder / "clock"
        path.touch()
        with path.open("rb+") as file:
            file.write(struct.pack("d", seconds))

    def boot_anew(self) -> None:
        """The machine is another one as far as the daemon can tell its starts apart."""
        (self.folder / "boot").write_text(str(uuid.uuid4()))

    # Time

    def note(self, what: str) -> None:
        """For the timeline, which tells the story of a failure."""
        with (self.folder / "timeline.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.monotonic():.3f} {time.monotonic() - self._begin:8.3f} s  {what}\n")

    def pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._tend()
            time.sleep(min(left, _TICK_S))

    def wait_until(
        self, condition: Callable[[], object], *, what: str, timeout: float, tick_s: float = _TICK_S
    ) -> None:
        """Raises RigError where it does not come true in time."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise RigError(f"{what} did not come within {timeout:g} s")
            self._tend()
            time.sleep(tick_s)

    def _tend(self) -> None:
        """Does what systemd does for a daemon that has failed."""
        if self._daemon is not None and (status := self._daemon.poll()) is not None:
            self._daemon = None
            self.note(f"the daemon left with status {status}")
            if time.monotonic() > self.forgiven_until:
                self.failures.append(f"the daemon left by itself with status {status}: {self.log[-1:]}")
            self._restart_at = time.monotonic() + RESTART_S
        if self._restart_at is not None and time.monotonic() >= self._restart_at:
            self.start_daemon()

    def _write_config(self) -> None:
        config = {
            "device": DEVICE,
            "cameras": {
                "door": {"source": str(self.folder / "door.avi"), "loop": True},
                "hall": {"source": f"http://127.0.0.1:{self._camera_port}/stream.mjpg"},
            },
            "runtime": {"threads": 1},
            "tracking": {"min_hits": 2, "lost_after_s": 0.4},
            "compliance": {"window_s": 0.5, "min_votes": 2, "hold_s": 0.2},
            "mqtt": {
                "host": "127.0.0.1",
                "port": self.proxy.port,
                "protocol": self._protocol,
                "keepalive_s": 5,
                "status_interval_s": 1,
                "window_s": 5,
            },
            # A clock that leaps by years must not make the record forget what this checks.
            "storage": {"path": str(self.storage), "keep_days": 36_500},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
