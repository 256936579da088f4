"""Many simulated devices against one Mosquitto: how the topics scale, and what a restart of the broker does.

Each device has its own connection, will, availability, discovery message, status, presence, events and windows, under
the topics and in the payloads of the daemon; an event is kept until the broker has acknowledged it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fleet_devices import Progress, drive_devices
from benchmarks.fleet_watch import Seen, watch_topics
from benchmarks.processes import machine, usage
from edge.system.arguments import whole_number
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

FILTERS = ("maskd/#", "maskd/+/+/event")
DOWN_S = 5.0
"""The broker is away for so long in the restart."""
_SPAWN = multiprocessing.get_context("spawn")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the figures as a table; returns 1 where an event did not arrive."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--devices", type=whole_number(1), default=1000, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--seconds", type=whole_number(1), default=180, help="of steady running (default: %(default)s)")
    parser.add_argument("--processes", type=whole_number(1), default=2, help="that drive them (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, as JSON as well")
    arguments = parser.parse_args(argv)
    _allow_open_files(4 * arguments.devices + 1000)
    with tempfile.TemporaryDirectory(prefix="maskd-fleet-") as folder:
        broker = Mosquitto(Path(folder), persistence=True, extra=("max_inflight_messages 200", "log_type error"))
        broker.start()
        try:
            fleet = Fleet(broker, arguments.devices, arguments.processes)
            figures = fleet.run(arguments.seconds)
        finally:
            broker.stop()
    print(f"{machine()}\n")
    for name, value in figures.items():
        print(f"| {name} | {value} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if figures["events that did not arrive"] else 0


def _allow_open_files(count: int) -> None:
    """Mosquitto inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


@dataclass(slots=True)
class _Helper:
    process: SpawnProcess
    pipe: Connection

    @classmethod
    def start(cls, function: Any, *arguments: Any) -> _Helper:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=function, args=(theirs, *arguments), daemon=True)
        process.start()
        return cls(process, ours)

    def finish(self) -> Any:
        """Asks it to end, and returns what it answers."""
        self.pipe.send("stop")
        assert self.pipe.poll(120), "a process of the benchmark does not answer"
        answer = self.pipe.recv()
        self.process.join(20)
        return answer


class Fleet:
    def __init__(self, broker: Mosquitto, devices: int, processes: int) -> None:
        self._broker = broker
        self._devices = devices
        self._processes = processes
        self._connected: Any = _SPAWN.Array("i", processes)
        """How many devices of each process the broker has let in."""

    def run(self, seconds: float) -> dict[str, Any]:
        port = self._broker.port
        subscribers = {topics: _Helper.start(watch_topics, port, topics) for topics in FILTERS}
        for subscriber in subscribers.values():
            assert subscriber.pipe.recv() == "subscribed"
        began = time.monotonic()
        drivers = [
            _Helper.start(drive_devices, port, range(index, self._devices, self._processes), self._connected, index)
            for index in range(self._processes)
        ]
        self._wait_for_all(drivers)
        connecting_s = time.monotonic() - began
        steady = self._measure(seconds, subscribers)
        until = time.time()
        back = self._restart(drivers)
        time.sleep(15)  # for what waited to be sent
        progress: list[Progress] = [driver.finish() for driver in drivers]
        time.sleep(3)
        retained_bytes, retained = _retained(port)
        seen: dict[str, Seen] = {topics: subscriber.finish() for topics, subscriber in subscribers.items()}
        sent = Counter[str]()
        for part in progress:
            sent.update(part.sent)
        missing = sum(count - len(seen[FILTERS[1]].seqs.get(device, ())) for device, count in sent.items())
        attempts = [moment for part in progress for moment in part.attempts if moment > back.up_at]
        welcomes = [moment for part in progress for moment in part.welcomes if moment > back.up_at]
        return {
            "devices": self._devices,
            "all connected after, s": round(connecting_s, 1),
            **steady,
            "latency to maskd/#, ms, p50 / p99": seen[FILTERS[0]].latency(until),
            "latency to maskd/+/+/event, ms, p50 / p99": seen[FILTERS[1]].latency(until),
            "retained messages": retained,
            "retained MB": round(retained_bytes / 1e6, 2),
            "broker away, s": DOWN_S,
            "all back after its start, s": round(back.all_back_s, 1),
            "half back after its start, s": round(statistics.median(welcomes) - back.up_at, 1) if welcomes else None,
            "attempts in the busiest second after its start": _busiest_second(attempts),
            "connections in the busiest second": _busiest_second(welcomes),
            "events sent": sent.total(),
            "events that did not arrive": missing,
            "repeats": seen[FILTERS[1]].repeats,
        }

    def _wait_for_all(self, drivers: list[_Helper]) -> None:
        def all_are_connected() -> bool:
            assert all(driver.process.is_alive() for driver in drivers), "a process of the benchmark has ended"
            return sum(map(int, self._connected)) == self._devices

        wait_until(all_are_connected, timeout=180, what="every device connected")

    def _measure(self, seconds: float, subscribers: dict[str, _Helper]) -> dict[str, Any]:
        pid = self._broker.pid
        before, received = usage(pid), [_received(helper) for helper in subscribers.values()]
        time.sleep(seconds)
        after, received_then = usage(pid), [_received(helper) for helper in subscribers.values()]
        rates = [(then - now) / seconds for now, then in zip(received, received_then, strict=True)]
        return {
            "messages per second below maskd/": round(rates[0], 1),
            "events per second": round(rates[1], 1),
            "broker's processor, % of a core": round(100 * (after.cpu_s - before.cpu_s) / seconds, 1),
            "broker's memory, MB": round(after.rss_mb, 1),
            "broker's open files": after.open_files,
        }

    def _restart(self, drivers: list[_Helper]) -> _Return:
        self._broker.stop()
        wait_until(lambda: not any(self._connected), what="every device noticing")
        time.sleep(DOWN_S)
        self._broker.start()
        up_at = time.time()
        self._wait_for_all(drivers)
        return _Return(up_at, time.time() - up_at)


@dataclass(frozen=True, slots=True)
class _Return:
    up_at: float
    """When the broker listened again, in seconds since 1970."""
    all_back_s: float


def _received(helper: _Helper) -> int:
    helper.pipe.send("count")
    return int(helper.pipe.recv())


def _busiest_second(moments: list[float]) -> int:
    return max(Counter(map(int, moments)).values(), default=0)


def _retained(port: int) -> tuple[int, int]:
    """Bytes and number of the retained messages, as a new subscriber gets them."""
    helper = _Helper.start(watch_topics, port, "#")
    helper.pipe.recv()
    time.sleep(5)
    seen: Seen = helper.finish()
    return seen.retained_bytes, seen.retained


if __name__ == "__main__":
    sys.exit(main())
