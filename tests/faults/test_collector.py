"""The collector keeps all that a real broker ever sent it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.faults.collector import Collector
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import wait_until


def publish(broker: Mosquitto, topic: str, count: int) -> None:
    """Returns once the broker has acknowledged them."""
    lines = "".join(f"{number}\n" for number in range(count))
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", topic, "-q", "1", "-l"]
    subprocess.run(command, input=lines.encode(), check=True)


def test_it_keeps_what_a_broker_sent_before_it_was_killed(tmp_path: Path, mosquitto_folder: Path) -> None:
    broker = Mosquitto(mosquitto_folder, persistence=True, extra=["max_inflight_messages 0"])
    broker.start()
    try:
        with Collector(broker.port, "maskd/#", tmp_path / "received.jsonl") as collector:
            wait_until(lambda: collector.subscriptions, what="the first subscription")
            for _ in range(3):
                subscribed = collector.subscriptions
                publish(broker, "maskd/lobby/door/event", 300)
                broker.kill()
                broker.start()
                wait_until(lambda: collector.subscriptions > subscribed, what="the subscription")  # noqa: B023
            wait_until(lambda: len(collector.arrivals) == 900, what="every message")
            publish(broker, "elsewhere", 1)
        assert [arrival.payload for arrival in collector.arrivals] == [b"%d" % n for n in range(300)] * 3
        assert not any(arrival.retained or arrival.duplicate for arrival in collector.arrivals)
        journal = [json.loads(line) for line in (tmp_path / "received.jsonl").read_text().splitlines()]
        assert [line["payload"] for line in journal] == [arrival.payload.decode() for arrival in collector.arrivals]
    finally:
        broker.stop()


def test_its_session_outlives_an_orderly_restart(tmp_path: Path, mosquitto_folder: Path) -> None:
    broker = Mosquitto(mosquitto_folder, persistence=True)
    broker.start()
    try:
        with Collector(broker.port, "maskd/#", tmp_path / "received.jsonl") as collector:
            wait_until(lambda: collector.subscriptions, what="the subscription")
        publish(broker, "maskd/a", 3)  # while it is away
        broker.restart()
        with Collector(broker.port, "maskd/#", tmp_path / "received.jsonl") as collector:
            wait_until(lambda: len(collector.arrivals) == 3, what="what was queued")
    finally:
        broker.stop()
