"""An hour of events through the real outbox, record, sender, publisher and connection to a real Mosquitto.

Memory, files, threads and what waits are sampled as it runs; at the end the subscriber says whether every event came.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import machine, usage
from benchmarks.simulation import MODELS, Visits, status_of
from benchmarks.soak_report import report
from benchmarks.soak_subscriber import Arrivals, subscribe
from edge.config import CameraSettings, Config, MqttSettings, StorageSettings
from edge.errors import MaskdError
from edge.mqtt import MqttClient
from edge.mqtt.publisher import Publisher
from edge.mqtt.sender import Sender
from edge.payloads.events import draft_events
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.system.arguments import whole_number
from edge.system.deadline import Deadline
from tests.support.mosquitto import HOST, Mosquitto

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SAMPLE_S = 10.0
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Sample:
    seconds: float
    """Since the beginning."""
    rss_mb: float
    open_files: int
    threads: int
    cpu_s: float
    depth: int
    """Events not acknowledged."""
    outbox_bytes: int
    wal_bytes: int
    record_bytes: int
    sent: int


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the report; returns 1 where an event was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=whole_number(1), default=60, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--rate", type=whole_number(1), default=50, metavar="N", help="events a second (default: 50)")
    parser.add_argument("--out", type=Path, default=Path("runs/soak"), metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--report", action="store_true", help="only the table and the plot of what lies in DIR")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        if not arguments.report:
            arguments.out.mkdir(parents=True, exist_ok=True)
            soak(arguments.out, arguments.minutes * 60, arguments.rate)
        print(report(arguments.out))
    except MaskdError as error:
        print(f"benchmarks.soak: {error}", file=sys.stderr)
        return error.exit_status
    return 1 if json.loads((arguments.out / "result.json").read_text())["missing"] else 0


def soak(out: Path, seconds: float, rate: int) -> None:
    """Writes samples.csv as it goes, and result.json at the end; the outbox stays in `out`/storage."""
    broker = Mosquitto(out / "mosquitto")
    broker.start()
    pipe, theirs = _SPAWN.Pipe()
    subscriber = _SPAWN.Process(target=subscribe, args=(theirs, broker.port), daemon=True)
    subscriber.start()
    assert pipe.recv() == "subscribed"
    try:
        with Device(out / "storage", broker.port) as device:
            device.run(out / "samples.csv", seconds, rate)
            flushed = device.flush(60.0)
        arrivals = _arrivals(pipe, device.appended)
    finally:
        broker.stop()
        subscriber.join(10)
    figures = {
        "machine": machine(),
        "rate": rate,
        "seconds": seconds,
        "appended": device.appended,
        "flushed": flushed,
        "connections": device.connections,
        "missing": device.appended - arrivals.distinct,
        "repeats": arrivals.repeats,
        "out_of_order": arrivals.out_of_order,
        "latency_ms": arrivals.latency_ms,
    }
    (out / "result.json").write_text(json.dumps(figures, indent=2) + "\n")


def _arrivals(pipe: Connection, expected: int) -> Arrivals:
    pipe.send(expected)
    assert pipe.poll(120), "the subscriber does not answer"
    answer: Arrivals = pipe.recv()
    return answer


class Device:
    """maskd without its eyes: everything from the committed event on, in this process."""

    def __init__(self, folder: Path, port: int) -> None:
        self.appended = 0
        self._config = Config(
            device="soak",
            cameras={name: CameraSettings(source="demo") for name in ("door", "hall")},
            mqtt=MqttSettings(host=HOST, port=port),
            storage=StorageSettings(path=folder),
        )
        storage = self._config.storage
        self._folder = folder
        self._failure: BaseException | None = None
        record = Record(folder, keep_days=storage.keep_days, keep_bytes=storage.keep_bytes)
        self._outbox = Outbox(folder, max_events=storage.max_events, max_bytes=storage.max_bytes, record=record)
        self._mqtt = MqttClient(self._config.mqtt, self._config.device)
        self._sender = Sender(self._outbox, self._mqtt, on_failure=self._fail)
        self._publisher = Publisher(self._mqtt, self._config, self._status, on_failure=self._fail)
        self._began = time.monotonic()

    @property
    def connections(self) -> int:
        return self._mqtt.connections

    def __enter__(self) -> Device:
        self._outbox.open()
        self._outbox.recover(time.time())
        self._sender.start()
        self._publisher.start()
        self._mqtt.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._publisher.stop()
        self._sender.stop()
        self._mqtt.stop()
        self._outbox.close()
        if self._failure is not None:
            raise self._failure

    def run(self, samples: Path, seconds: float, rate: int) -> None:
        """Appends events one by one, at an even pace, as the vision thread does."""
        people = [Visits(name, present=12) for name in self._config.cameras]
        self._began = began = time.monotonic()
        with samples.open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
            writer.writeheader()
            next_sample_at = began
            for number in range(round(seconds * rate)):
                due = began + number / rate
                now = time.monotonic()
                if now >= next_sample_at:
                    writer.writerow(asdict(self._sample(now - began)))
                    file.flush()
                    next_sample_at += SAMPLE_S
                time.sleep(max(0.0, due - time.monotonic()))
                self._happen(people[number % len(people)])
                if self._failure is not None:
                    return
            writer.writerow(asdict(self._sample(time.monotonic() - began)))

    def flush(self, timeout: float) -> bool:
        return self._sender.flush(Deadline(timeout))

    def _happen(self, people: Visits) -> None:
        transitions = [people.next(time.monotonic())]
        self._publisher.observe(transitions)
        self.appended += len(self._outbox.append(draft_events(transitions, self._mqtt.topics, MODELS)))

    def _sample(self, seconds: float) -> Sample:
        used = usage()
        return Sample(
            seconds=round(seconds, 2),
            rss_mb=round(used.rss_mb, 3),
            open_files=used.open_files,
            threads=threading.active_count(),
            cpu_s=round(used.cpu_s, 2),
            depth=self._outbox.depth,
            outbox_bytes=_size(self._folder / "outbox.db"),
            wal_bytes=_size(self._folder / "outbox.db-wal"),
            record_bytes=sum(_size(path) for path in (self._folder / "record").glob("*.jsonl")),
            sent=self._sender.sent,
        )

    def _status(self) -> Any:
        return status_of(
            self._config,
            started_at=self._began,
            depth=self._outbox.depth,
            lost=self._outbox.lost,
            connections=self._mqtt.connections,
            acknowledged=self._sender.sent,
        )

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
