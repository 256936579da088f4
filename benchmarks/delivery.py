"""How long an event takes to the broker: `python -m benchmarks.delivery`.

From what the vision thread says of a person, through the events' thread with its commit and the sender, until a real
Mosquitto on this machine has acknowledged it. One person after another. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import queue
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import machine, percentile
from benchmarks.simulation import MODELS, PAUSE_S, Visits
from edge.config import MqttSettings
from edge.errors import MaskdError
from edge.mqtt import Acknowledgement, Message, MqttClient, Receipt
from edge.mqtt.sender import Sender
from edge.store.event_writer import EventWriter
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.system.arguments import whole_number
from edge.system.deadline import Deadline
from edge.system.part import Part
from tests.support.mosquitto import HOST, Mosquitto
from tests.support.programs import find_program
from tests.support.waiting import wait_until

PATIENCE_S = 30.0
SHARES = {"median": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}


@dataclass(frozen=True, slots=True)
class Delay:
    """Of one person, in seconds since the vision thread handed over the transition."""

    committed: float
    acknowledged: float


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delivery", description="Time the way to the broker.")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="on the disk to measure (default: the temporary one)"
    )
    parser.add_argument("--people", type=whole_number(1), default=500, metavar="N", help="(default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            delays = measure(Path(folder), args.people)
    except MaskdError as error:
        print(f"benchmarks.delivery: {error}", file=sys.stderr)
        return error.exit_status
    print(f"{machine()}, {len(delays)} people\n")
    print(table(delays))
    return 0


def measure(folder: Path, people: int) -> list[Delay]:
    """The first person is not counted: it opens files and imports. Raises MaskdError without Mosquitto."""
    if find_program("mosquitto") is None:
        raise MaskdError("mosquitto is not installed; apt install mosquitto")
    visits = Visits("door", present=people + 1)
    committed: queue.SimpleQueue[float] = queue.SimpleQueue()
    delays = []
    with _running(folder, committed.put) as (writer, mqtt):
        for _ in range(people + 1):
            time.sleep(random.uniform(*PAUSE_S))  # noqa: S311
            began = time.perf_counter()
            writer.put([visits.next(time.monotonic())])
            delays.append(Delay(committed.get(timeout=PATIENCE_S) - began, mqtt.next_acknowledged_at() - began))
    return delays[1:]


def table(delays: Sequence[Delay]) -> str:
    ways = {
        "from the decision to the disk": [delay.committed for delay in delays],
        "from the disk to the broker's acknowledgement": [delay.acknowledged - delay.committed for delay in delays],
        "from the decision to the broker's acknowledgement": [delay.acknowledged for delay in delays],
    }
    rows = [f"| ms | {' | '.join(SHARES)} |", "|---|" + "--:|" * len(SHARES)]
    for name, times in ways.items():
        rows.append(f"| {name} | {' | '.join(f'{1000 * percentile(times, share):.1f}' for share in SHARES.values())} |")
    return "\n".join(rows)


class _TimedClient(MqttClient):
    def __init__(self, settings: MqttSettings) -> None:
        super().__init__(settings, "bench")
        self._events_sent: queue.SimpleQueue[Receipt] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Receipt, float]] = queue.SimpleQueue()
        self.add_listener(self)

    def publish(self, message: Message) -> Receipt | None:
        if (receipt := super().publish(message)) is not None:
            self._events_sent.put(receipt)
        return receipt

    def connection_changed(self) -> None:
        pass

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        self._answers.put((acknowledgement.receipt, time.perf_counter()))

    def next_acknowledged_at(self) -> float:
        """Of the next event; `online`, which the connection itself publishes, is acknowledged too."""
        event = self._events_sent.get(timeout=PATIENCE_S)
        while True:
            receipt, at = self._answers.get(timeout=PATIENCE_S)
            if receipt == event:
                return at


@contextmanager
def _running(folder: Path, on_committed: Callable[[float], None]) -> Iterator[tuple[EventWriter, _TimedClient]]:
    """Events' thread, outbox, sender and connection, wired as in the daemon."""
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    record = Record(folder, keep_days=1, keep_bytes=100_000_000)
    outbox = Outbox(folder, max_events=10**6, max_bytes=10**9, record=record)
    mqtt = _TimedClient(MqttSettings(host=HOST, port=broker.port))
    writer = EventWriter(
        outbox,
        mqtt.topics,
        MODELS,
        "events",
        on_published=[lambda _drafts: on_committed(time.perf_counter())],
        on_failure=_fail,
    )
    outbox.open()
    parts: list[Part] = [mqtt, Sender(outbox, mqtt, on_failure=_fail), writer]
    try:
        for part in parts:
            part.start()
        wait_until(lambda: mqtt.connection is not None, "the connection to Mosquitto")
        yield writer, mqtt
    finally:
        for part in reversed(parts):
            part.stop(Deadline(5))
        outbox.close()
        broker.stop()


def _fail(error: BaseException) -> None:
    raise error


if __name__ == "__main__":
    sys.exit(main())
