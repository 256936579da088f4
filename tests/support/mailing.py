"""Mail without rules and cameras."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from edge.config.mail_output import MailSettings
from edge.outputs.action_queue import ActionQueue
from edge.outputs.mail import Mail
from edge.payloads.action import Action
from edge.rules.actions import action_of
from edge.rules.happening import from_transition
from edge.rules.occasions import Firing
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline
from tests.support.mail_server import MailServer
from tests.support.mosquitto import HOST
from tests.support.transitions import transition

PASSWORD = "pä$s wörd"


def action(number: int = 1, *, rule: str = "remind", at: float = 1_790_000_000.0, zone: str = "entrance") -> Action:
    happening = from_transition(transition(track=f"t{number}"), at, UUID(int=number))
    made = action_of(Firing(rule, 0.0, at, happening), "desk", "lobby")
    return made.model_copy(update={"zones": (zone,), "text": made.text.replace("entrance", zone)})


class Mailing:
    def __init__(self, folder: Path, settings: MailSettings) -> None:
        self.queue = ActionQueue(folder)
        self.queue.open()
        self.failures: list[BaseException] = []
        self.mail = Mail("outputs.mail.desk", settings, self.queue, on_failure=self.failures.append)
        self.mail._backoff = Backoff(0.3, 0.3)

    def add(self, *actions: Action) -> None:
        self.queue.add([("desk", each) for each in actions])
        self.mail.wake()

    @property
    def problems(self) -> str:
        return "; ".join(self.mail.status().problems)

    @property
    def is_done(self) -> bool:
        return self.queue.depth("desk") == 0


def settings_for(server: MailServer, **changes: Any) -> MailSettings:
    values = {
        "host": HOST,
        "port": server.port,
        "tls": "none",
        "sender": "maskd@example.org",
        "recipients": ["desk@example.org"],
    }
    return MailSettings.model_validate(values | changes)


@contextmanager
def mailing(folder: Path, server: MailServer, **changes: Any) -> Iterator[Mailing]:
    it = Mailing(folder, settings_for(server, **changes))
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.05):
            it.mail.tick(time.monotonic())

    ticking = threading.Thread(target=tick)
    ticking.start()
    it.mail.start()
    try:
        yield it
    finally:
        stop.set()
        ticking.join()
        it.mail.stop(Deadline(5))
        it.queue.close()
    assert it.failures == []
