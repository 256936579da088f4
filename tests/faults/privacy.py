"""Privacy that is made stricter, or a camera switched off, at a moment when something else goes wrong."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import Any

from edge.store.record_line import read_line
from tests.faults.disk import Disk
from tests.faults.fault import Expectations, Fault
from tests.faults.proxy import Conditions
from tests.faults.rig import Rig
from tests.faults.storage import PowerCut

WITHIN_S = 60.0


class SwitchedWhileEventsWait(Fault):
    """The broker is away, the daemon dies, and is started again with `privacy: aggregate`. Nothing that waited goes out
    until privacy is events again."""

    name = "privacy: aggregate while events wait"
    lasts_s = (2.0, 5.0)
    lasts_long_s = (5.0, 12.0)
    expect = Expectations(reconnects=True, log="are withheld")

    def __init__(self) -> None:
        self._arrived = 0

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.proxy.apply(Conditions(listening=False))
        rig.proxy.reset()
        rig.wait_until(lambda: len(rig.daemon.committed() - rig.arrived()) >= 2, what="what waits", timeout=WITHIN_S)
        rig.daemon.kill()
        rig.pause(0.5)  # what the broker has is with the subscriber by then
        self._arrived = len(rig.events())
        rig.write_config(privacy="aggregate")
        rig.proxy.apply(Conditions())
        since = time.monotonic()
        rig.daemon.start()
        _wait_for_privacy(rig, "aggregate", since)

    def heal(self, rig: Rig) -> None:
        came = len(rig.events()) - self._arrived
        rig.write_config()
        since = time.monotonic()
        rig.daemon.send(signal.SIGHUP)
        assert came == 0, f"{came} events of single people came while privacy was aggregate"
        _wait_for_privacy(rig, "events", since)
        _excuse_the_rules(rig)


class SwitchedByCommand(PowerCut):
    """Commands make privacy stricter and switch a camera off; a power cut takes neither back."""

    name = "privacy and a camera switched by command, then a power cut"
    lasts_s = (0.5, 2.0)
    lasts_long_s = (2.0, 5.0)
    expect = Expectations(reconnects=True, disk=Disk.WITH_POWER)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        since = time.monotonic()
        rig.command("privacy", "aggregate")
        rig.command("hall/enabled", "off")
        rig.wait_until(
            lambda: _value(rig, "privacy", since) == "aggregate" and _value(rig, "hall/enabled", since) is False,
            what="the answers",
            timeout=WITHIN_S,
        )
        super().inject(rig, rng)

    def heal(self, rig: Rig) -> None:
        since = time.monotonic()
        super().heal(rig)
        rig.wait_until(lambda: rig.newest("/status", since), what="the status", timeout=WITHIN_S)
        status = json.loads(rig.newest("/status", since) or b"")
        rig.command("privacy", "events")
        rig.command("hall/enabled", "on")
        _wait_for_privacy(rig, "events", since)
        _excuse_the_rules(rig)
        assert status["privacy"] == "aggregate", "the power cut has relaxed privacy"
        assert not status["cameras"]["hall"]["enabled"], "the power cut has switched a camera on"


def _wait_for_privacy(rig: Rig, privacy: str, since: float) -> None:
    def status() -> dict[str, Any]:
        return dict(json.loads(rig.newest("/status", since) or b"{}"))

    rig.wait_until(lambda: status().get("privacy") == privacy, what=f"privacy {privacy}", timeout=WITHIN_S)


def _excuse_the_rules(rig: Rig) -> None:
    """In aggregate no rule acts, neither on what was committed before nor on the end of visits."""
    rig.excused_actions |= {json.loads(line)["id"] for line in rig.recorded() if read_line(line.encode())}


def _value(rig: Rig, setting: str, since: float) -> object:
    return json.loads(rig.newest(f"/{setting}/state", since) or b"{}").get("value")
