"""One round: a fault at a random moment, healed, the wait until all is well, and the checks of what arrived."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field

from edge.payloads.schemas import published_schemas
from tests.faults import checks, growth
from tests.faults.fault import Fault
from tests.faults.rig import CAMERAS, Rig

IN_FLIGHT = 20
"""Events that the daemon hands over before the first is acknowledged: as many may come again by each connection."""
STOP_S = 5.0
"""What the daemon promises on SIGTERM."""
LOG_LINES = 40
"""Lines of a round's log beside events; there are faults of which the daemon has much to tell, but not every second."""
LONG_SHARE = 0.3
"""Of the rounds, those in which a fault lasts long."""
QUIET_WITHIN_S = 120.0
"""From the end of a fault. The longest pauses between two attempts to connect are 30 s."""
MOMENT_WITHIN_S = 20.0
UNDER_WAY = 5
"""Events that may wait in the outbox at any moment of an undisturbed day: the status is sent when something happens."""
UNDER_WAY_S = 2.0
"""Their age."""


@dataclass(slots=True)
class Result:
    number: int
    fault: str
    events: int = 0
    """New ones that arrived."""
    repeats: int = 0
    lost: int = 0
    actions: int = 0
    """New ones that the webhook heard of."""
    actions_again: int = 0
    """Those that it heard of again, under the same key."""
    resent: int = 0
    """Events that came again on demand."""
    quiet_s: float = 0.0
    """From healing the fault until all that had happened was with the subscriber, and everything worked again."""
    problems: list[str] = field(default_factory=list)
    growths: list[growth.Growth] = field(default_factory=list)
    """At the end of a rig's rounds."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a round begins in everything that is counted."""

    arrivals: int
    events: int
    log: int
    connections: int
    stops: int
    failures: int
    calls: int


class Trial:
    """One rig and the rounds that it lives through."""

    def __init__(self, rig: Rig, seed: int, *, patient: bool = True) -> None:
        """`patient`: now and then a fault lasts long."""
        self._rig = rig
        self._seed = seed
        self._patient = patient
        self._usage: list[growth.Usage] = []
        self._schemas = published_schemas()

    def warm_up(self) -> None:
        """Raises AssertionError where not even an undisturbed daemon works."""
        self._settle(time.monotonic(), QUIET_WITHIN_S)

    def play(self, fault: Fault, number: int) -> Result:
        rig, rng = self._rig, random.Random(f"{self._seed}/{number}")
        mark = self._mark()
        result = Result(number, fault.name)
        rig.note(f"round {number}: {fault.name}")
        try:
            self._wait_for_a_moment(rng)
            rig.note("the fault is injected")
            fault.inject(rig, rng)
            long = self._patient and rng.random() < LONG_SHARE
            rig.pause(rng.uniform(*(fault.lasts_long_s if long else fault.lasts_s)))
            rig.note("the fault is healed")
            fault.heal(rig)
            healed = time.monotonic()
            self._settle(healed, QUIET_WITHIN_S)
            result.quiet_s = time.monotonic() - healed
            rig.note("all is well")
        except AssertionError as error:
            result.problems.append(str(error))
        self._judge(fault, mark, result)
        for problem in result.problems:
            rig.note(f"problem: {problem}")
        return result

    def finish(self, number: int) -> Result:
        """Stops the daemon in order, after which nobody may be left."""
        rig = self._rig
        result = Result(number, "the end: SIGTERM, and nobody is left")
        mark = self._mark()
        try:
            while not self._ends():
                if len(rig.daemon.stops) - mark.stops == 3:
                    result.problems.append(f"the outbox is not empty after the third stop: {rig.daemon.log[-3:]}")
                    break
                rig.daemon.start()
                self._settle(time.monotonic(), QUIET_WITHIN_S)
        except AssertionError as error:
            result.problems.append(str(error))
        self._judge(Fault(), mark, result, stopped=True)
        result.growths = growth.growth(self._usage)
        result.problems += growth.check_growth(result.growths)
        return result

    def _ends(self) -> bool:
        """Stops the daemon, and returns whether the broker has everything. What a slow machine did not get off in time
        is sent after the next start."""
        rig = self._rig
        length = len(rig.daemon.log)
        rig.daemon.stop()
        rig.pause(0.5)
        return not self._unsent() and not any("stay in the outbox" in line for line in rig.daemon.log[length:])

    def _wait_for_a_moment(self, rng: random.Random) -> None:
        rig = self._rig
        moment = rng.choice(["any", "commit", "log", "arrival"])
        rig.note(f"waits for a moment: {moment}")
        if moment == "any":
            rig.pause(rng.uniform(0.0, 2.0))
            return
        if moment == "commit":
            counter = rig.storage / "seq"
            before = counter.read_bytes()
            happened = lambda: counter.read_bytes() != before  # noqa: E731
        elif moment == "log":
            length = len(rig.daemon.committed())
            happened = lambda: len(rig.daemon.committed()) > length  # noqa: E731
        else:
            count = len(rig.events())
            happened = lambda: len(rig.events()) > count  # noqa: E731
        rig.wait_until(happened, what=f"the next {moment}", timeout=MOMENT_WITHIN_S, tick_s=0.001)

    def _settle(self, since: float, timeout: float) -> None:
        """Waits until all that was committed by `since` has arrived, both cameras bring new people, and the status says
        that no work is left over."""
        rig = self._rig
        due = set(rig.daemon.committed())

        def is_quiet() -> bool:
            if not rig.daemon.running or self._unsent() & due or self._unacted(due):
                return False
            fresh = self._cameras_with_news(due, since)
            status = rig.newest("/status", since)
            return set(CAMERAS) <= fresh and status is not None and _is_well(json.loads(status))

        try:
            rig.wait_until(is_quiet, what="quiet", timeout=timeout, tick_s=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._why_not_quiet(due, since)}") from None

    def _cameras_with_news(self, due: set[checks.Number], since: float) -> set[str]:
        """Those that have brought durable events since then."""
        return {
            event.event["camera"]
            for event in self._rig.events()[-100:]
            if event.number not in due and event.arrival.at > since and event.event["durable"]
        }

    def _why_not_quiet(self, due: set[checks.Number], since: float) -> str:
        rig = self._rig
        status = rig.newest("/status", since)
        fresh = self._cameras_with_news(due, since)
        unsent = self._unsent()
        return (
            f"running {rig.daemon.running}, unsent {sorted(unsent)[:20]} (of them due {len(due & unsent)}), "
            f"events without an action {len(self._unacted(due))}, "
            f"cameras with new events {sorted(fresh)}, status {status!r}, last line of the log {rig.daemon.log[-1:]}"
        )

    def _unsent(self) -> set[checks.Number]:
        return self._rig.daemon.committed() - self._rig.arrived()

    def _unacted(self, due: set[checks.Number]) -> set[str]:
        """Ids of events of `due` of which the webhook has not heard."""
        unacted = self._rig.unacted()
        return {event.event["id"] for event in self._rig.events() if event.number in due} & unacted

    def _mark(self) -> _Mark:
        rig = self._rig
        return _Mark(
            arrivals=len(rig.collector.arrivals),
            events=len(rig.events()),
            log=len(rig.daemon.log),
            connections=rig.proxy.connections,
            stops=len(rig.daemon.stops),
            failures=len(rig.daemon.failures),
            calls=len(rig.webhook.accepted),
        )

    def _judge(self, fault: Fault, mark: _Mark, result: Result, *, stopped: bool = False) -> None:
        rig, expect = self._rig, fault.expect
        # The log first: what it calls safe by now is not asked of what arrived later, but the other way round it is.
        committed: set[checks.Number] = rig.daemon.committed() if stopped else set()
        events = [*rig.events()]
        arrivals = rig.collector.arrivals[mark.arrivals :]
        connections = rig.proxy.connections - mark.connections
        allowed = len(events) if expect.repeats_all and connections else IN_FLIGHT * connections
        known = {event.event["id"] for event in events[: mark.events]}
        repeats, problems = checks.check_repeats(events[mark.events :], seen=known, allowed=allowed)
        problems += checks.check_complete(events, committed)
        problems += checks.check_identity(events)
        problems += checks.check_order(events)
        problems += checks.check_lives(events, stopped=stopped, forgotten=rig.forgotten())
        # A broker that was killed may send again what its last orderly stop left waiting.
        new = [event for event in events[mark.events :] if event.event["id"] not in known]
        problems += checks.check_times(new, clock_was_set_back=expect.clock_goes_back)
        problems += checks.check_durations(events[mark.events :])
        problems += checks.check_schemas(arrivals, self._schemas)
        problems += checks.check_log(rig.daemon.log[mark.log :], limit=LOG_LINES)
        if expect.log is not None and not any(expect.log in line for line in rig.daemon.log[mark.log :]):
            problems.append(f"the fault had no effect: the log does not tell of {expect.log!r}")
        if not stopped:
            problems += checks.check_availability(arrivals, went_away=expect.says_offline)
        if expect.reconnects and not connections:
            problems.append("the fault had no effect: the daemon did not connect anew")
        if self._patient:  # in a short round, other tests may use the processor as well
            stops = rig.daemon.stops[mark.stops :]
            problems += [f"the stop took {seconds:.1f} s" for seconds in stops if seconds > STOP_S]
        problems += rig.daemon.failures[mark.failures :]
        if (status := rig.newest("/status", 0.0)) is not None and (lost := json.loads(status)["outbox"]["lost"]):
            problems.append(f"the status says that {lost} events are lost")
        problems += self._check_record(events)
        calls = rig.webhook.accepted[mark.calls :]
        problems += checks.check_actions(rig.webhook.accepted)
        if stopped and (unacted := rig.unacted() - rig.waiting_actions()):
            problems.append(f"of {len(unacted)} events the webhook has not heard")
        if (usage := rig.daemon.usage()) is not None:
            self._usage.append(usage)
            rig.note(str(usage))
        result.events = len({event.event["id"] for event in events} - known)
        result.repeats = repeats
        known_keys = {call.key for call in rig.webhook.accepted[: mark.calls]}
        result.actions = len({call.key for call in calls} - known_keys)
        result.actions_again = len(calls) - result.actions
        result.resent = sum(event.is_resent for event in events[mark.events :])
        result.lost = len(checks.missing(events))
        result.problems += problems

    def _check_record(self, events: list[checks.ArrivedEvent]) -> list[str]:
        rig = self._rig
        # What the disk did not take is recorded where it comes back while the daemon lives.
        expected = [event for event in events if event.number not in rig.unrecorded and event.event["durable"]]
        problems = checks.check_record(rig.recorded(), expected, torn=rig.torn_lines)
        if problems:  # an event can be with the subscriber a moment before it is in the record
            rig.pause(1.0)
            problems = checks.check_record(rig.recorded(), expected, torn=rig.torn_lines)
        return problems


def _is_well(status: dict[str, object]) -> bool:
    cameras, outbox = status["cameras"], status["outbox"]
    assert isinstance(cameras, dict)
    assert isinstance(outbox, dict)
    oldest = outbox["oldest_unsent_s"] or 0.0
    return (
        outbox["depth"] <= UNDER_WAY
        and oldest <= UNDER_WAY_S
        and all(camera["connected"] for camera in cameras.values())
    )
