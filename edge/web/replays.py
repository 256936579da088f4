"""Replays what was observed by the rules that a tab tries, in a thread of its own, one after another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from edge.config.rules import RuleSettings
from edge.people.observations import Look, ObservationLog
from edge.people.replay_observed import Judgements, Replayed, breathing, replay_looks
from edge.people.visit_changes import VisitChange, visit_changes
from edge.people.watched_camera import CameraRules
from edge.rules.replay import firings
from edge.web.trials import Trial

MOST_WAITING = 4
"""Replays that wait for their turn."""
FRESH_S = 10.0
"""Observations this old are replayed once more, so that the moved slider is all that differs."""
NO_RULES: Mapping[str, RuleSettings] = {}
REST_S = 0.0005
"""After every 2 to 3 ms of work, so that the cameras' threads come first."""
FIRST_S = (5.0, 60.0)
"""The last seconds, which are replayed first: the fewest and the most."""
FIRST_MS = (8.0, 20.0)
"""What these take by one set of rules: less, and there are twice as many the next time; more, and half as many."""


class SupersededError(Exception):
    """A newer proposal of the same tab has taken its place."""


class BusyError(Exception):
    """Too many wait already."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Pictures to be replayed."""

    looks: Sequence[Look]
    labels: Sequence[str]
    wall_offset: float | None
    """From their times to seconds since 1970; None: the times are positions in a clip."""


@dataclass(frozen=True, slots=True)
class RuleActed:
    """How often one rule would have acted."""

    rule: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Outcome:
    changes: Sequence[VisitChange]
    begins_at: float
    """When the first picture was taken."""
    span_s: float
    pictures: int
    judged: int
    approximate: int
    wall_offset: float | None
    acted: Sequence[RuleActed] = ()


@dataclass(slots=True)
class _Snapshot:
    """The latest observations of one camera, and what today's rules make of them."""

    camera: str
    seconds: float
    taken_at: float
    recorded: Recorded
    judgements: Judgements
    today: tuple[CameraRules, Replayed] | None = None


class Replays:
    def __init__(self, observations: ObservationLog) -> None:
        self._observations = observations
        self._work = ThreadPoolExecutor(1, thread_name_prefix="web-replay")
        self._waiting = 0
        self._snapshots: list[_Snapshot] = []
        """Of the thread: the latest two."""
        self._first_s = FIRST_S[0]
        """Of the thread: how many of the last seconds this device replays in a moment."""
        self._stopping = threading.Event()

    def stop(self) -> None:
        """From any thread: a replay that is under way, and each that waits, ends with SupersededError."""
        self._stopping.set()
        self._work.shutdown(wait=False)

    def tick(self, now: float) -> None:
        """From any thread: what no one has replayed for a while is not kept in memory a second time."""
        self._snapshots = [each for each in self._snapshots if now - each.taken_at < FRESH_S]

    def forget(self) -> None:
        """Nothing that was observed is kept here."""
        self._snapshots = []

    async def run(
        self,
        trial: Trial,
        seconds: float | None,
        clip: Recorded | None = None,
        acting: Mapping[str, RuleSettings] = NO_RULES,
    ) -> Outcome:
        """Of the last seconds, or of a clip; None: of as many as take a moment. `acting`: the rules that act on it.
        Raises SupersededError and BusyError."""
        if self._stopping.is_set():
            raise SupersededError
        if self._waiting >= MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._work, self._run, trial, seconds, clip, acting)
        finally:
            self._waiting -= 1

    def _run(
        self, trial: Trial, seconds: float | None, clip: Recorded | None, acting: Mapping[str, RuleSettings]
    ) -> Outcome:
        def breathe() -> None:
            if trial.is_over or self._stopping.wait(REST_S):
                raise SupersededError

        breathe()
        snapshot = (
            self._snapshot(trial.camera, seconds or self._first_s, breathe)
            if clip is None
            else _of_clip(trial.camera, clip)
        )

        def judged_by(rules: CameraRules) -> Replayed:
            began = time.perf_counter()
            replayed = replay_looks(snapshot.recorded.looks, snapshot.judgements, trial.camera, rules, breathe)
            if seconds is None:
                self._first_s = paced(snapshot.seconds, 1000 * (time.perf_counter() - began))
            return replayed

        if snapshot.today is None or snapshot.today[0] != trial.today:
            snapshot.today = trial.today, judged_by(trial.today)
        before = snapshot.today[1]
        after = before if trial.changed == trial.today else judged_by(trial.changed)
        looks = snapshot.recorded.looks
        return Outcome(
            visit_changes(before.transitions, after.transitions),
            begins_at=looks[0].at if looks else 0.0,
            span_s=looks[-1].at - looks[0].at if looks else 0.0,
            pictures=len(looks),
            judged=before.judged + after.judged,
            approximate=before.approximate + after.approximate,
            wall_offset=snapshot.recorded.wall_offset,
            acted=_acted(acting, trial, before, after, snapshot.recorded.wall_offset),
        )

    def _snapshot(self, camera: str, seconds: float, breathe: Callable[[], None]) -> _Snapshot:
        now = time.monotonic()
        for each in self._snapshots:
            if (each.camera, each.seconds) == (camera, seconds) and now - each.taken_at < FRESH_S:
                return each
        observed = self._observations.of_camera(camera)
        looks = [] if observed is None else observed.latest(seconds)
        labels = self._observations.labels
        recorded = Recorded(looks, labels, time.time() - now)
        snapshot = _Snapshot(camera, seconds, now, recorded, Judgements(breathing(looks, breathe), labels))
        self._snapshots = [snapshot, *self._snapshots[:1]]
        return snapshot


def paced(seconds: float, took_ms: float) -> float:
    """How many seconds to replay first the next time."""
    quick_ms, slow_ms = FIRST_MS
    wanted = seconds * 2 if took_ms < quick_ms else seconds / 2 if took_ms > slow_ms else seconds
    return min(FIRST_S[1], max(FIRST_S[0], wanted))


def _acted(
    acting: Mapping[str, RuleSettings], trial: Trial, before: Replayed, after: Replayed, wall_offset: float | None
) -> list[RuleActed]:
    """A clip has no time of the day: rules act as if it were shown now."""
    offset = time.time() if wall_offset is None else wall_offset

    def counts(replayed: Replayed, rules: CameraRules) -> Mapping[str, int]:
        lost_after_s = rules.people.tracking.lost_after_s
        acted = firings(acting, replayed.transitions, wall_offset=offset, lost_after_s=lost_after_s)
        return {name: len(each) for name, each in acted.items()}

    today = counts(before, trial.today)
    changed = today if after is before else counts(after, trial.changed)
    return [RuleActed(name, count, changed[name]) for name, count in today.items()]


def _of_clip(camera: str, clip: Recorded) -> _Snapshot:
    return _Snapshot(camera, 0.0, 0.0, clip, Judgements(clip.looks, clip.labels))
