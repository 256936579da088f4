"""The subscriber of benchmarks.soak, in a process of its own so that its memory is not taken for maskd's."""

from __future__ import annotations

import json
import time
from array import array
from dataclasses import dataclass
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

PATIENCE_S = 20.0
"""For what is still under way when the last event has been sent."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    distinct: int
    repeats: int
    out_of_order: int
    """Events that came for the first time after one with a greater `seq`."""
    latency_ms: dict[str, float]
    """From the moment before the event was committed to its arrival; the payload's time has whole milliseconds."""


class _Count:
    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.repeats = 0
        self.out_of_order = 0
        self.highest = 0
        self.latencies = array("f")

    def take(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        arrived = time.time()
        event = json.loads(message.payload)
        seq = event["seq"]
        if seq in self.seen:
            self.repeats += 1
            return
        self.seen.add(seq)
        self.out_of_order += seq < self.highest
        self.highest = max(self.highest, seq)
        self.latencies.append(1000 * (arrived - parse_timestamp(event["time"])))


def subscribe(pipe: Connection, port: int) -> None:
    """A process: says when it is subscribed, is told at the end how many events there were, and answers Arrivals."""
    count = _Count()
    client = Client(CallbackAPIVersion.VERSION2, "soak-subscriber", protocol=MQTTProtocolVersion.MQTTv5)

    def subscribe_to_events(*_: Any) -> None:
        client.subscribe("maskd/+/+/event", qos=1)

    client.on_message = count.take
    client.on_connect = subscribe_to_events
    client.on_subscribe = lambda *_: pipe.send("subscribed")
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 600
    client.connect(HOST, port, clean_start=False, properties=properties)
    client.loop_start()
    expected = pipe.recv()
    deadline = time.monotonic() + PATIENCE_S
    while len(count.seen) < expected and time.monotonic() < deadline:
        time.sleep(0.1)
    client.disconnect()
    client.loop_stop()
    latencies = list(count.latencies)
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    figures = {name: round(percentile(latencies, share), 1) for name, share in shares.items()}
    pipe.send(Arrivals(len(count.seen), count.repeats, count.out_of_order, figures))
