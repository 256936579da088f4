"""How many visits and violations each camera has counted, today and ever: pure logic that takes the time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, ConfigDict

from edge.payloads.payload import Count, Timestamp
from edge.payloads.reports import DayTotals, Totals
from edge.payloads.statuses import UNKNOWN
from edge.people.transition import Transition

BEHIND_S = 3600.0
"""A clock that says an earlier day is believed after so many seconds: most often it was not set yet."""


class CameraTotals(BaseModel):
    """What is kept of one camera across restarts."""

    model_config = ConfigDict(extra="forbid")

    visits: Count = 0
    violations: Count = 0
    visits_today: Count = 0
    violations_today: Count = 0
    since: Timestamp


class KeptTotals(BaseModel):
    """What is kept of all cameras."""

    model_config = ConfigDict(extra="forbid")

    day: date
    cameras: dict[str, CameraTotals]


@dataclass(slots=True)
class _Pending:
    visits: int = 0
    violations: int = 0


class VisitTotals:
    """A visit counts once it is announced, and once as a violation if its status is ever known and breaks the rule.

    What is observed shows in the totals after settle() only.
    """

    def __init__(self, kept: KeptTotals | None, today: date) -> None:
        """`kept` None: counting begins."""
        self._day = today if kept is None else kept.day
        self._cameras = {} if kept is None else dict(kept.cameras)
        self._pending: defaultdict[str, _Pending] = defaultdict(_Pending)
        self._open: dict[str, bool] = {}
        """The visits that are not over, by track: whether each has counted as a violation."""
        self._behind_since: float | None = None
        """Since when the clock has said an earlier day, in monotonic seconds."""

    @property
    def kept(self) -> KeptTotals:
        return KeptTotals(day=self._day, cameras=self._cameras)

    def observe(self, transition: Transition) -> None:
        visits, pending = self._open, self._pending[transition.camera]
        if transition.track not in visits and transition.type == "started":
            visits[transition.track] = False
            pending.visits += 1
        breaks_rule = transition.status != UNKNOWN and not transition.compliant
        if breaks_rule and visits.get(transition.track) is False:
            visits[transition.track] = True
            pending.violations += 1
        if transition.type == "ended":
            visits.pop(transition.track, None)

    def settle(self, time: Timestamp) -> bool:
        """Adds what was observed to the totals; returns whether it changed any."""
        changed = {camera: each for camera, each in self._pending.items() if each.visits or each.violations}
        self._pending.clear()
        for camera, each in changed.items():
            counts = self._counts(camera, time)
            counts.visits += each.visits
            counts.visits_today += each.visits
            counts.violations += each.violations
            counts.violations_today += each.violations
        return bool(changed)

    def turn(self, today: date, now: float) -> bool:
        """Begins a new day where `today`, by the wall clock at `now` in monotonic seconds, is one; returns whether."""
        if today < self._day:
            self._behind_since = now if self._behind_since is None else self._behind_since
            if now - self._behind_since < BEHIND_S:
                return False
        self._behind_since = None
        if today == self._day:
            return False
        self._day = today
        for counts in self._cameras.values():
            counts.visits_today = counts.violations_today = 0
        return True

    def totals(self, device: str, camera: str, time: Timestamp) -> Totals:
        """Of a camera, also if it has seen no one."""
        counts = self._counts(camera, time)
        return Totals(
            device=device,
            camera=camera,
            visits=counts.visits,
            violations=counts.violations,
            today=DayTotals(date=self._day.isoformat(), visits=counts.visits_today, violations=counts.violations_today),
            since=counts.since,
            time=time,
        )

    def _counts(self, camera: str, time: Timestamp) -> CameraTotals:
        return self._cameras.setdefault(camera, CameraTotals(since=time))
