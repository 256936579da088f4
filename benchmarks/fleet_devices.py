"""The devices of benchmarks.fleet, by the hundred in one process."""

from __future__ import annotations

import heapq
import random
import selectors
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.simulation import MODELS, STATUSES, Visits, status_of
from edge.config import CameraSettings, Config
from edge.homeassistant import announce
from edge.mqtt.session import SESSION_EXPIRY_S
from edge.payloads.events import draft_events
from edge.payloads.numbering import new_epoch
from edge.payloads.payload import timestamp
from edge.payloads.topics import Topics
from edge.people.presence import PresenceCounts
from edge.people.totals import VisitTotals
from edge.people.windows import WindowCounts
from edge.system.backoff import Backoff
from tests.support.mosquitto import HOST

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

CAMERA = "door"
EVENT_S, STATUS_S, WINDOW_S, LOOK_S = 10.0, 30.0, 60.0, 5.0
START_S = 10.0
"""The devices are switched on within so long."""


@dataclass(slots=True)
class Progress:
    """What the devices of one process did; moments in seconds since 1970."""

    sent: Counter[str] = field(default_factory=Counter)
    """Events of each device."""
    attempts: list[float] = field(default_factory=list)
    welcomes: list[float] = field(default_factory=list)


class _Device:
    def __init__(self, number: int, progress: Progress, selector: selectors.BaseSelector) -> None:
        name = f"site-{number:04}"
        self.connected = False
        self._config = Config(device=name, cameras={CAMERA: CameraSettings(source="demo")})
        self._topics = Topics("maskd", name)
        self._announcements = announce(self._config, STATUSES, commands_on=True, tells_temperature=True)
        self._progress = progress
        self._selector = selector
        self._client: Client | None = None
        self._socket: Any = None
        self._backoff = Backoff()
        self._started_at = time.monotonic()
        self._visits = Visits(CAMERA)
        self._presence = PresenceCounts(name)
        self._totals = VisitTotals(None, datetime.now().astimezone().date())
        self._windows = WindowCounts(name, [CAMERA], window_s=WINDOW_S, now=self._started_at)
        self._epoch = new_epoch()
        self._seq = 0
        self._unacknowledged: dict[int, tuple[str, bytes]] = {}
        """By `seq`: the device's outbox."""
        self._seq_of_mid: dict[int, int] = {}

    def connect(self, port: int) -> float | None:
        """Tries; returns seconds to the next attempt where nobody answers."""
        client = Client(
            CallbackAPIVersion.VERSION2, f"maskd-{self._config.device}", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.connect_timeout = 5
        client.will_set(self._topics.availability, b"offline", qos=1, retain=True)
        client.on_connect = self._welcomed
        client.on_publish = self._acknowledged
        client.max_queued_messages_set(0)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        self._progress.attempts.append(time.time())
        try:
            client.connect(HOST, port, self._config.mqtt.keepalive_s, clean_start=False, properties=properties)
        except OSError:
            return self._backoff.next()
        self._client, self._socket = client, client.socket()
        self._selector.register(self._socket, selectors.EVENT_READ, self)
        return None

    def serve(self, events: int) -> float | None:
        """Reads and writes; returns seconds to the next attempt where the connection is over."""
        client = self._client
        assert client is not None
        results = []
        if events & selectors.EVENT_READ:
            results.append(client.loop_read())
        if events & selectors.EVENT_WRITE:
            results.append(client.loop_write())
            self._watch()
        return self._lost() if any(result != MQTTErrorCode.MQTT_ERR_SUCCESS for result in results) else None

    def look(self, _now: float) -> float | None:
        """Keeps the connection alive; as `serve`."""
        if self._client is None:
            return None
        return self._lost() if self._client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def event(self, now: float) -> None:
        transition = self._visits.next(now)
        self._presence.observe(transition)
        self._windows.observe(transition)
        self._totals.observe(transition)
        (draft,) = draft_events([transition], self._topics, MODELS)
        self._seq += 1
        self._progress.sent[self._config.device] += 1
        self._unacknowledged[self._seq] = (draft.topic, draft.numbered(self._epoch, self._seq).payload)
        self._send_event(self._seq)
        presence = self._presence.presence(CAMERA, timestamp(time.time()))
        self._publish(self._topics.presence(CAMERA), presence.to_json(), retain=True)

    def status(self, _now: float) -> None:
        status = status_of(self._config, started_at=self._started_at, depth=len(self._unacknowledged))
        self._publish(self._topics.status, status.to_json(), retain=True)
        self._publish(self._topics.camera(CAMERA), b"online", retain=True)

    def window(self, now: float) -> None:
        for window in self._windows.close(now, wall_offset=time.time() - now):
            self._publish(self._topics.compliance(CAMERA), window.to_json(), retain=True)
        moment = timestamp(time.time())
        self._totals.settle(moment)
        totals = self._totals.totals(self._config.device, CAMERA, moment)
        self._publish(self._topics.totals(CAMERA), totals.to_json(), retain=True)

    def close(self) -> None:
        if self._client is not None:
            self._publish(self._topics.availability, b"offline", retain=True)
            self._client.disconnect()

    def _welcomed(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            return
        self.connected = True
        self._backoff.reset()
        self._progress.welcomes.append(time.time())
        self._publish(self._topics.availability, b"online", retain=True)
        for announcement in self._announcements:
            self._publish(announcement.topic, announcement.to_json(), retain=True)
        self.status(time.monotonic())
        for seq in self._unacknowledged:
            self._send_event(seq)

    def _acknowledged(self, _client: Client, _userdata: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._unacknowledged.pop(self._seq_of_mid.pop(mid, 0), None)

    def _send_event(self, seq: int) -> None:
        topic, payload = self._unacknowledged[seq]
        mid = self._publish(topic, payload)
        if mid is not None:
            self._seq_of_mid[mid] = seq

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int | None:
        if self._client is None or not self.connected:
            return None
        mid: int = self._client.publish(topic, payload, 1, retain).mid
        self._watch()
        return mid

    def _watch(self) -> None:
        assert self._client is not None
        if self._client.socket() is not None:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._client.want_write() else 0)
            self._selector.modify(self._socket, wanted, self)

    def _lost(self) -> float:
        self._selector.unregister(self._socket)
        self._socket.close()
        self._client = self._socket = None
        self.connected = False
        self._seq_of_mid.clear()
        return self._backoff.next()


class _Agenda:
    """What is to be done when: (time, number of the entry, device, what)."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, _Device, str]] = []
        self._count = 0

    def add(self, when: float, device: _Device, what: str) -> None:
        self._count += 1
        heapq.heappush(self._entries, (when, self._count, device, what))

    def due(self, now: float) -> Iterator[tuple[float, _Device, str]]:
        while self._entries and self._entries[0][0] <= now:
            when, _, device, what = heapq.heappop(self._entries)
            yield when, device, what

    def rest(self, now: float) -> float:
        """Seconds until something is due; at most 0.2."""
        return min(0.2, max(0.0, self._entries[0][0] - now)) if self._entries else 0.2


_INTERVALS = {"status": STATUS_S, "window": WINDOW_S, "look": LOOK_S}


def drive_devices(pipe: Connection, port: int, numbers: Iterable[int], connected: Any, index: int) -> None:
    """A process: runs devices until told to stop, and answers with their Progress. `connected[index]` is kept up."""
    progress = Progress()
    selector = selectors.DefaultSelector()
    devices = [_Device(number, progress, selector) for number in numbers]
    agenda = _Agenda()
    for device in devices:
        # Every device has its own time for each thing, so that they never march in step.
        on_at = time.monotonic() + random.uniform(0, START_S)  # noqa: S311
        agenda.add(on_at, device, "connect")
        for what, interval in {**_INTERVALS, "event": EVENT_S}.items():
            agenda.add(on_at + random.uniform(0, interval), device, what)  # noqa: S311
    while not pipe.poll():
        for when, device, what in agenda.due(time.monotonic()):
            _act(when, device, what, port, agenda)
        rest = agenda.rest(time.monotonic())
        if not selector.get_map():
            time.sleep(rest)
        else:
            _serve(selector, rest, agenda)
        connected[index] = sum(device.connected for device in devices)
    _drain(selector, devices)
    pipe.recv()
    pipe.send(progress)


def _act(when: float, device: _Device, what: str, port: int, agenda: _Agenda) -> None:
    now = time.monotonic()
    if what == "event":
        device.event(now)
        agenda.add(when + random.expovariate(1 / EVENT_S), device, what)
        return
    retry_s = device.connect(port) if what == "connect" else getattr(device, what)(now)
    if retry_s is not None:
        agenda.add(now + retry_s, device, "connect")
    if what != "connect":
        agenda.add(when + _INTERVALS[what], device, what)


def _serve(selector: selectors.BaseSelector, seconds: float, agenda: _Agenda) -> None:
    for key, events in selector.select(seconds):
        device: _Device = key.data
        retry_s = device.serve(events)
        if retry_s is not None:
            agenda.add(time.monotonic() + retry_s, device, "connect")


def _drain(selector: selectors.BaseSelector, devices: list[_Device]) -> None:
    """Ends every connection once what was sent is acknowledged, within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(device._unacknowledged for device in devices):
        _serve(selector, 0.1, _Agenda())
    for device in devices:
        device.close()
