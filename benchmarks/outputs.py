"""How long it takes from what the vision thread says of a person until a GPIO line is on, the commit included."""

from __future__ import annotations

import argparse
import os
import queue
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simulation import PAUSE_S
from edge.config import Config
from edge.config.file import config_from_values
from edge.errors import UsageError
from edge.evaluation.tables import Table
from edge.geometry import Box
from edge.mqtt import MqttClient
from edge.mqtt.awaited import AwaitedPublisher
from edge.outputs.action_queue import ActionQueue
from edge.outputs.outputs import Means, Outputs
from edge.outputs.rules import Rules
from edge.payloads.events import Draft, ModelNames
from edge.payloads.topics import Topics
from edge.people.transition import Transition
from edge.store.event_writer import EventWriter
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.system.arguments import whole_number
from edge.system.deadline import Deadline
from edge.system.part import Part

PIN = 17
GOAL_MS = 100
PULSE_S = 0.05
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Delay:
    """Of one person, in seconds since the vision thread handed over the transition."""

    committed: float
    switched: float


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; returns 1 where the goal is missed."""
    arguments = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        delays = measure(Path(folder), arguments.people)
    print(
        f"{len(delays)} people, on the disk of {arguments.folder or tempfile.gettempdir()}, with gpiozero's mock pins\n"
    )
    print(as_table(delays))
    worst = 1000 * float(np.percentile([delay.switched for delay in delays], 99))
    print(f"\nThe goal, p99 under {GOAL_MS} ms, is {'met' if worst < GOAL_MS else 'missed'}.")
    return 0 if worst < GOAL_MS else 1


def measure(folder: Path, people: int) -> list[Delay]:
    """One person after another, each a `started` on its own. The first is not counted: it opens files and imports."""
    on: queue.SimpleQueue[float] = queue.SimpleQueue()
    committed: queue.SimpleQueue[float] = queue.SimpleQueue()
    delays = []
    with _mock_pins(lambda: on.put(time.perf_counter())), _running(folder, committed.put) as writer:
        for number in range(people + 1):
            time.sleep(random.uniform(*PAUSE_S) + PULSE_S)  # noqa: S311
            began = time.perf_counter()
            writer.put([_started(number)])
            delays.append(Delay(committed.get(timeout=PATIENCE_S) - began, on.get(timeout=PATIENCE_S) - began))
    return delays[1:]


def as_table(delays: Sequence[Delay]) -> str:
    stages = {
        "started -> on the disk": [delay.committed for delay in delays],
        "on the disk -> line on": [delay.switched - delay.committed for delay in delays],
        "started -> line on": [delay.switched for delay in delays],
    }
    rows = [
        (name, *(f"{1000 * value:.1f}" for value in (*np.percentile(times, (50, 99)), max(times))))
        for name, times in stages.items()
    ]
    return Table("", ("milliseconds", "p50", "p99", "most"), rows).as_text()


@contextmanager
def _running(folder: Path, on_committed: Callable[[float], None]) -> Iterator[EventWriter]:
    """Outbox, writer, rules and one GPIO output, wired as in the daemon."""
    config = _config(folder)
    record = Record(folder, keep_days=1, keep_bytes=100_000_000)
    outbox = Outbox(folder, max_events=10**6, max_bytes=10**9, record=record)
    actions = ActionQueue(folder)
    means = Means(actions, AwaitedPublisher(MqttClient(config.mqtt, config.device)), _fail)
    outputs = Outputs(config, means)
    rules = Rules(config, outputs, actions, on_failure=_fail)

    def committed(_drafts: Sequence[Draft]) -> None:
        on_committed(time.perf_counter())

    writer = EventWriter(
        outbox,
        Topics("maskd", "lobby"),
        ModelNames(detector="face-detector/1.0.0", classifier="mask-classifier/1.0.0"),
        "events",
        on_published=[committed, rules.published],
        on_failure=_fail,
    )
    outbox.open()
    parts: list[Part] = [outputs, rules, writer]
    for part in parts:
        part.apply(config)
    for part in parts:
        part.start()
    try:
        yield writer
    finally:
        for part in reversed(parts):
            part.stop(Deadline(5))
        outbox.close()


@contextmanager
def _mock_pins(on_high: Callable[[], None]) -> Iterator[None]:
    try:
        import gpiozero
        from gpiozero.pins.mock import MockFactory, MockPin
    except ImportError:
        raise UsageError("this needs gpiozero; pip install gpiozero") from None

    class TimedPin(MockPin):  # type: ignore[misc]
        def _set_state(self, value: Any) -> None:
            super()._set_state(value)
            if value:
                on_high()

    os.environ["GPIOZERO_PIN_FACTORY"] = "mock"
    before, gpiozero.Device.pin_factory = gpiozero.Device.pin_factory, MockFactory(pin_class=TimedPin)
    try:
        yield
    finally:
        gpiozero.Device.pin_factory.reset()
        gpiozero.Device.pin_factory = before


def _config(folder: Path) -> Config:
    return config_from_values(
        {
            "cameras": {"door": {"source": "demo"}},
            "storage": {"path": str(folder)},
            "rules": {"remind": {"when": {"compliant": False}, "do": ["lamp"]}},
            "outputs": {"gpio": {"lamp": {"pin": PIN, "pulse_s": PULSE_S}}},
        }
    )


def _started(number: int) -> Transition:
    now = time.monotonic()
    return Transition(
        type="started",
        camera="door",
        track=f"{number:012x}",
        status="without_mask",
        previous=None,
        compliant=False,
        confidence=0.97,
        box=Box(0.41, 0.22, 0.55, 0.48),
        zones=("entrance",),
        started_at=now - 3,
        at=now,
        votes={"with_mask": 1, "without_mask": 14},
    )


def _fail(error: BaseException) -> None:
    raise error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.outputs", description="Time the way from a person to a GPIO line."
    )
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="on the disk to measure (default: the temporary one)"
    )
    parser.add_argument("--people", type=whole_number(1), default=500, metavar="N", help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
