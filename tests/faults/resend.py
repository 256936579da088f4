"""A broker that loses what it has acknowledged, which only a resend brings back."""

from __future__ import annotations

import random
import subprocess
import sys
import time

from tests.faults.checks import Number
from tests.faults.fault import Expectations, Fault
from tests.faults.rig import Rig
from tests.support.places import ROOT

LOST_AT_LEAST = 4


class StoreWiped(Fault):
    """The subscriber is away while the broker takes events for it; then its store is gone, as after a power cut. The
    subscriber finds the gap in the numbers and asks for it, over MQTT or on the device; now and then the daemon is
    killed in the middle of that."""

    name = "broker: its store wiped, then resend"
    lasts_s = (0.0, 0.5)
    lasts_long_s = (2.0, 10.0)
    expect = Expectations(reconnects=True, log="publishes events of the record again")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        self._rng = rng
        rig.collector.leave()
        before = len(rig.daemon.committed())
        rig.wait_until(lambda: len(rig.daemon.committed()) >= before + LOST_AT_LEAST, what="new events", timeout=30)
        rig.pause(rng.uniform(0.5, 3.0))  # for the broker to acknowledge them
        rig.proxy.shut_gate()
        rig.broker.kill()
        (rig.broker.folder / "mosquitto.db").unlink(missing_ok=True)

    def heal(self, rig: Rig) -> None:
        before = time.monotonic()
        rig.collector.come_back()
        rig.broker_comes_for_all(rig.broker.start)
        rig.wait_until(lambda: rig.newest("/availability", before) == b"online", what="the daemon", timeout=40)
        fresh = len(rig.events())
        rig.wait_until(lambda: len(rig.events()) > fresh, what="the first event that tells of the gap", timeout=30)
        gap = _gap(rig)
        assert gap, "the fault had no effect: the subscriber misses nothing"
        rig.note(f"the subscriber misses {len(gap)} events, from number {gap[0].seq} on")
        self._ask(rig, gap[0])
        if self._rng.random() < 0.3:
            rig.pause(self._rng.uniform(0.0, 0.3))
            rig.daemon.kill()
            rig.daemon.start()
        rig.wait_until(lambda: not set(gap) - rig.arrived(), what="what was lost", timeout=60)

    def _ask(self, rig: Rig, first: Number) -> None:
        if self._rng.random() < 0.5:
            rig.command("resend", f'{{"from": {first.seq}, "epoch": "{first.epoch}"}}')
            said = lambda: any("publishes events of the record again" in line for line in rig.daemon.log[-200:])  # noqa: E731
            rig.wait_until(said, what="the begin of the resend", timeout=20)
            return
        command = [sys.executable, "-m", "edge.cli", "resend", "--from", str(first.seq), "--epoch", first.epoch]
        done = subprocess.run(
            [*command, "-c", str(rig.folder / "config.yaml")], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _gap(rig: Rig) -> list[Number]:
    """What never came of the epoch of the newest event, as a subscriber sees it."""
    arrived = rig.arrived()
    newest = next(event.number for event in reversed(rig.events()) if event.event["durable"])
    return [number for seq in range(1, newest.seq) if (number := Number(newest.epoch, seq)) not in arrived]
