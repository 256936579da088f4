"""The daemon under trial and everything around it: broker, proxy, cameras, clock, disk and subscriber."""

from __future__ import annotations

import json
import random
import sqlite3
import struct
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import yaml
from paho.mqtt.publish import single

from edge.payloads.events import parse_event
from edge.payloads.statuses import UNKNOWN
from edge.store.record_line import read_line
from tests.faults import traffic
from tests.faults.checks import ArrivedEvent, Number
from tests.faults.collector import Collector
from tests.faults.disk import Disk, SmallDisk
from tests.faults.proxy import Proxy
from tests.faults.supervisor import Supervisor
from tests.support.mjpeg_server import MjpegServer
from tests.support.mosquitto import HOST, Mosquitto, free_port
from tests.support.trouble import Trouble, make_trouble
from tests.support.webhook_server import WebhookServer

DEVICE = "lobby"
CAMERAS = ("door", "hall")
LABELS = ("with_mask", "without_mask", "mask_weared_incorrect")
_TICK_S = 0.02


class Rig:
    """One device that lives through many faults. As a context manager it is running on entry.

    All methods belong to one thread, which must come by often (every wait does): it also tends the daemon.
    """

    def __init__(self, folder: Path, *, protocol: str = "auto", disk: Disk = Disk.ORDINARY) -> None:
        """`folder` must not exist."""
        self.folder = folder
        self.storage = folder / "storage"
        self.disk = SmallDisk(self.storage, disk) if disk is not Disk.ORDINARY else None
        self.unrecorded: set[Number] = set()
        """Numbers of events that a fault took out of the record."""
        self.torn_lines = 0
        """Lines of the record of which a fault may have left one half."""
        self._protocol = protocol
        self._begin = time.monotonic()
        self.daemon = Supervisor(folder, self.note)
        self.trouble: Trouble | None = None
        """What the system does to the daemon; None where nothing can be compiled."""
        self.webhook = WebhookServer()
        """Gets an action for every event."""
        self.excused_actions: set[str] = set()
        """Ids of events on which a fault allows the rules not to act."""
        self._calls_searched = 0
        self._acted: set[str] = set()
        self._arrivals_searched = 0
        self._events: list[ArrivedEvent] = []
        self._arrived: set[Number] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Rig:
        self.folder.mkdir(parents=True)
        self.storage.mkdir()
        self.trouble = make_trouble(self.folder / "trouble")
        if self.trouble is not None:
            self.daemon.environment |= self.trouble.environment
        if self.disk is not None:
            self.disk.attach()
            self._stack.callback(self.disk.detach)
        loop = traffic.pictures()
        traffic.write_clip(self.folder / "door.avi", loop)
        self._jpegs = traffic.as_jpegs(loop)
        self.step_clock(0.0)
        self.boot_anew()
        self.move_to_another_machine()
        # Without limits on what is in flight, a message is with the subscriber before the daemon hears that it was
        # taken; so a broker that is killed takes nothing with it that the daemon has forgotten.
        self.broker = Mosquitto(self.folder / "mosquitto", persistence=True, extra=["max_inflight_messages 0"])
        self.broker.start()
        self._stack.callback(self.broker.stop)
        self.proxy = self._stack.enter_context(Proxy(self.broker.port))
        self.collector = self._stack.enter_context(
            Collector(self.broker.port, f"maskd/{DEVICE}/#", self.folder / "received.jsonl")
        )
        self.webhook_comes()
        self._stack.callback(self.webhook_goes)
        self._camera_port = free_port()
        self._camera: MjpegServer | None = None
        self._stack.callback(self.camera_goes)
        self.camera_comes()
        self.write_config()
        self._stack.callback(self.daemon.kill)
        self.wait_until(lambda: self.collector.subscriptions, what="the subscription", timeout=20)
        self.daemon.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # What arrived and what was recorded

    def events(self) -> list[ArrivedEvent]:
        """Every event that arrived, repeats among them, in order of arrival."""
        arrivals = self.collector.arrivals
        while self._arrivals_searched < len(arrivals):
            arrival = arrivals[self._arrivals_searched]
            self._arrivals_searched += 1
            if arrival.topic.endswith("/event"):
                self._events.append(ArrivedEvent(arrival, json.loads(arrival.payload)))
                self._arrived.add(self._events[-1].number)
        return self._events

    def arrived(self) -> set[Number]:
        """The numbers of those."""
        self.events()
        return self._arrived

    def unacted(self) -> set[str]:
        """Ids of the durable events that arrived, and of which the webhook has not heard."""
        calls = self.webhook.accepted
        while self._calls_searched < len(calls):
            self._acted.add(calls[self._calls_searched].json["event_id"])
            self._calls_searched += 1
        forgotten = self.forgotten()
        due = {one.event["id"] for one in self.events() if one.event["durable"] and one.number not in forgotten}
        return due - self._acted - self.excused_actions

    def waiting_actions(self) -> set[str]:
        """Ids of events whose action waits on the disk. No daemon may run."""
        with sqlite3.connect(self.storage / "actions.db") as db:
            return {json.loads(payload)["event_id"] for (payload,) in db.execute("SELECT payload FROM actions")}

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
        self.unrecorded |= {
            Number(event.epoch, event.seq)
            for line in lost
            if (recorded := read_line(line.encode())) and (event := parse_event(recorded.payload))
        }
        self.torn_lines += 1

    def forgotten(self) -> set[Number]:
        """Numbers of events that nothing on the device knows of: the record has lost them, or the disk had not taken
        them when their process was cut short."""
        unsaved = [event for event in self.events() if not event.event["durable"]]
        cut_short = self.daemon.cut_short_at
        epochs = {event.number.epoch for event in unsaved if any(event.arrival.at <= at for at in cut_short)}
        return self.unrecorded | {event.number for event in unsaved if event.number.epoch in epochs}

    # What is around the daemon

    def broker_comes_for_all(self, start: Callable[[], None]) -> None:
        """Brings a broker up that may have forgotten the subscriber, and lets the daemon in once that one is back: what
        a broker takes while nobody has subscribed is gone, and no daemon can help it."""
        before = self.collector.subscriptions
        start()
        self.wait_until(lambda: self.collector.subscriptions > before, what="the subscriber's return", timeout=20)
        self.proxy.open_gate()

    def webhook_comes(self) -> None:
        if not self.webhook.is_there:
            self.webhook.__enter__()

    def webhook_goes(self) -> None:
        if self.webhook.is_there:
            self.webhook.__exit__(None, None, None)

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

    def move_to_another_machine(self) -> None:
        """As the daemon tells machines apart, from its next start on."""
        (self.folder / "machine").write_text(str(random.randrange(2**32)))

    # Time

    def note(self, what: str) -> None:
        """For the timeline, which tells the story of a failure."""
        with (self.folder / "timeline.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.monotonic():.3f} {time.monotonic() - self._begin:8.3f} s  {what}\n")

    def pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.daemon.tend()
            time.sleep(min(left, _TICK_S))

    def wait_until(
        self, condition: Callable[[], object], *, what: str, timeout: float, tick_s: float = _TICK_S
    ) -> None:
        """Raises AssertionError where it does not come true in time."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come within {timeout:g} s")
            self.daemon.tend()
            time.sleep(tick_s)

    def command(self, where: str, value: str) -> None:
        """As anyone may send it who may write to .../set."""
        single(f"maskd/{DEVICE}/{where}/set", value, qos=1, hostname=HOST, port=self.broker.port)

    def write_config(self, *, privacy: str = "events") -> None:
        """In effect with the next start, or reload."""
        config = {
            "device": DEVICE,
            "privacy": privacy,
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
                "commands": True,
            },
            "storage": {"path": str(self.storage)},
            "rules": {
                "each": {
                    "when": {"event": ["started", "changed", "ended"], "status": [*LABELS, UNKNOWN]},
                    "do": ["chat"],
                    "at_most": {"once_per_person": False},
                }
            },
            "outputs": {"webhook": {"chat": {"url": self.webhook.url, "timeout_s": 2}}},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
