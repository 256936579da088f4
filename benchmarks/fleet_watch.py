"""The subscribers of benchmarks.fleet, which count and take the time."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.processes import percentile
from edge.payloads.payload import parse_timestamp
from tests.support.mosquitto import HOST

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


@dataclass(slots=True)
class Seen:
    """What a subscriber got."""

    received: int = 0
    """Without those that were retained."""
    repeats: int = 0
    retained: int = 0
    retained_bytes: int = 0
    seqs: dict[str, set[int]] = field(default_factory=dict)
    delays: list[tuple[float, float]] = field(default_factory=list)
    """Arrival, in seconds since 1970, and the time since the payload's `time`, in ms."""

    def latency(self, until: float) -> str:
        delays = [delay for arrived, delay in self.delays if arrived < until]
        return f"{percentile(delays, 0.5):.1f} / {percentile(delays, 0.99):.1f}"


def watch_topics(pipe: Connection, port: int, topics: str) -> None:
    """A process: subscribes in a session that outlives a lost connection; answers `count`, and `stop` with its Seen."""
    seen = Seen()
    client = Client(CallbackAPIVersion.VERSION2, f"watch-{topics}-{time.time()}", protocol=MQTTProtocolVersion.MQTTv5)

    def take(_client: Client, _userdata: Any, message: MQTTMessage) -> None:
        arrived = time.time()
        if message.retain:
            seen.retained += 1
            seen.retained_bytes += len(message.topic) + len(message.payload)
            return
        seen.received += 1
        if not message.topic.endswith(("/event", "/presence")):
            return
        payload = json.loads(message.payload)
        if message.topic.endswith("/event"):
            seqs = seen.seqs.setdefault(payload["device"], set())
            seen.repeats += payload["seq"] in seqs
            seqs.add(payload["seq"])
        seen.delays.append((arrived, 1000 * (arrived - parse_timestamp(payload["time"]))))

    def subscribe(*_: Any) -> None:
        client.subscribe(topics, qos=1)

    client.on_message = take
    client.on_connect = subscribe
    client.on_subscribe = lambda *_: pipe.send("subscribed") if not seen.received and not seen.retained else None
    client.reconnect_delay_set(0.2, 0.5)  # type: ignore[arg-type]  # fractions of a second work
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 600
    client.connect(HOST, port, clean_start=False, properties=properties)
    client.loop_start()
    while (asked := pipe.recv()) == "count":
        pipe.send(seen.received)
    client.loop_stop()
    assert asked == "stop"
    pipe.send(seen)
