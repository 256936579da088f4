"""The parts that act on events, without cameras: in a test, or as a process that the test kills.

`python -m tests.support.acting FOLDER URL FIRST` commits ten events and goes on until it is killed.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.config.file import config_from_values
from edge.mqtt import MqttClient
from edge.mqtt.awaited import AwaitedPublisher
from edge.outputs.action_queue import ActionQueue
from edge.outputs.outputs import Means, Outputs
from edge.outputs.rules import Rules
from edge.payloads.events import Draft
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.system.deadline import Deadline
from tests.support.transitions import passers_by

REMIND = {"remind": {"when": {"compliant": False}, "do": ["chat"]}}


def config(folder: Path, url: str, **changes: Any) -> Config:
    return config_from_values(
        {
            "cameras": {"door": {"source": "demo"}},
            "storage": {"path": str(folder)},
            "outputs": {"webhook": {"chat": {"url": url}}},
            "rules": REMIND,
            **changes,
        }
    )


class Acting:
    """The parts that act, and the outbox before them."""

    def __init__(self, first: Config) -> None:
        storage = first.storage
        record = Record(storage.path, keep_days=storage.keep_days, keep_bytes=storage.keep_bytes)
        self.outbox = Outbox(storage.path, max_events=1000, max_bytes=1_000_000, record=record)
        self.queue = ActionQueue(storage.path)
        self.failures: list[BaseException] = []
        self.client = MqttClient(first.mqtt, first.device)
        """Not started: a test that needs the broker does that."""
        means = Means(self.queue, AwaitedPublisher(self.client), self.failures.append)
        self.outputs = Outputs(first, means)
        self.rules = Rules(first, self.outputs, self.queue, on_failure=self.failures.append)
        self.apply(first)

    def start(self) -> None:
        self.outbox.open()
        self.outputs.start()
        self.rules.start()

    def apply(self, new: Config) -> None:
        self.outputs.apply(new)
        self.rules.apply(new)

    def stop(self) -> None:
        self.rules.stop(Deadline(5))
        self.outputs.stop(Deadline(5))
        self.outbox.close()
        assert self.failures == []

    def commit(self, drafts: list[Draft], *, then_tell: bool = True) -> None:
        self.outbox.append(drafts)
        if then_tell:
            self.rules.published(drafts)


def main(folder: str, url: str, first: str) -> None:
    it = Acting(config(Path(folder), url))
    it.start()
    it.commit(passers_by(10, first=int(first)))
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
