"""From tracks to what is announced about each person, by votes and hysteresis: pure logic that takes the time."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.config import ComplianceSettings
from edge.geometry import Box
from edge.people.transition import Transition
from edge.statuses import UNKNOWN
from edge.tracking import Track, TrackUpdate
from edge.vision.masks import Classification

GRACE_WINDOWS = 3.0
"""Windows that a person may stay undecided before being announced as `unknown`."""


class Compliance:
    """Announces the people of one camera.

    Every face that was classified casts one vote. A person is `started` once `min_votes` votes are in and one status
    holds the majority of the recent ones, `changed` once another status has held it for `hold_s`, and `ended` with the
    track. `unknown` votes never win a majority; who stays undecided for three windows is announced as `unknown`. One
    who was never announced goes in silence, unless `min_votes` votes were in: then `started` and `ended` come together.
    """

    def __init__(
        self, settings: ComplianceSettings, *, camera: str, zones: Mapping[str, Sequence[tuple[float, float]]]
    ) -> None:
        """`zones` are polygons in fractions of the picture's width and height."""
        self._settings = settings
        self._camera = camera
        self._zones = zones
        self._people: dict[str, _Person] = {}

    def adjust(self, settings: ComplianceSettings, zones: Mapping[str, Sequence[tuple[float, float]]]) -> None:
        """Between two frames: from now on these hold. What was announced stays, and so do the votes."""
        self._settings = settings
        self._zones = zones

    def update(self, update: TrackUpdate, frame_size: tuple[int, int], now: float) -> list[Transition]:
        """Takes in the tracks after a frame of `frame_size` (width, height) pixels, captured at `now`."""
        transitions = []
        for track in update.active:
            person = self._people.get(track.id)
            if person is None:
                person = self._people[track.id] = _Person(track.id, track.first_seen, track.last_seen, track.box)
            if track.observation is not None:
                transitions += self._observe(person, track, track.observation.classification, frame_size, now)
        for track in update.ended:
            if (gone := self._people.pop(track.id, None)) is not None:
                transitions += self._end(gone)
        return transitions

    def status_of(self, track: str) -> str | None:
        """What was announced of a person who is there; None before `started`."""
        person = self._people.get(track)
        return None if person is None else person.status

    def finish(self) -> list[Transition]:
        """Ends everybody, because the camera stops."""
        people, self._people = self._people, {}
        return [transition for person in people.values() for transition in self._end(person)]

    def _observe(
        self, person: _Person, track: Track, vote: Classification | None, frame_size: tuple[int, int], now: float
    ) -> list[Transition]:
        width, height = frame_size
        person.box = track.box.clipped(width, height).scaled(1 / width, 1 / height)
        person.last_seen = track.last_seen
        person.confirmed = track.confirmed
        if vote is None:
            return []
        self._count(person, vote, now)
        # Only a vote decides: while nobody is seen, no majority is held.
        if not person.confirmed:
            return []
        return self._begin(person, now) if person.status is None else self._revise(person, vote, now)

    def _count(self, person: _Person, vote: Classification, now: float) -> None:
        person.votes[vote.status] += 1
        person.confidence_sums[vote.status] += vote.confidence
        if person.first_vote_at is None:
            person.first_vote_at = now
        if vote.status == UNKNOWN:
            return
        person.recent.append((now, vote.status))
        # At least min_votes stay: a slow camera then decides as well, and after a pause one vote is no majority.
        while len(person.recent) > self._settings.min_votes and now - person.recent[0][0] > self._settings.window_s:
            person.recent.popleft()

    def _begin(self, person: _Person, now: float) -> list[Transition]:
        status = self._majority(Counter(status for _, status in person.recent))
        if status is None and self._grace_is_over(person, now):
            status = UNKNOWN
        return [] if status is None else [self._start(person, status, now)]

    def _revise(self, person: _Person, vote: Classification, now: float) -> list[Transition]:
        if vote.status == UNKNOWN:
            return []
        leader = self._majority(Counter(status for _, status in person.recent))
        rival = leader if leader != person.status else None
        if rival != person.rival:
            person.rival, person.rival_since = rival, now
        if rival is None or now - person.rival_since < self._settings.hold_s:
            return []
        previous, person.status, person.rival = person.status, rival, None
        return [self._transition("changed", person, rival, now, previous)]

    def _start(self, person: _Person, status: str, now: float) -> Transition:
        person.status, person.rival = status, None
        return self._transition("started", person, status, now)

    def _end(self, person: _Person) -> list[Transition]:
        transitions = []
        if person.status is None and person.confirmed and person.judged >= self._settings.min_votes:
            overall = self._majority(Counter({s: n for s, n in person.votes.items() if s != UNKNOWN}))
            transitions.append(self._start(person, overall or UNKNOWN, person.last_seen))
        if person.status is not None:
            transitions.append(self._transition("ended", person, person.status, person.last_seen))
        return transitions

    def _majority(self, votes: Counter[str]) -> str | None:
        """The status with the share of the votes that a decision needs, if there are votes enough."""
        total = sum(votes.values())
        if total < self._settings.min_votes:
            return None
        status, count = votes.most_common(1)[0]
        return status if count >= self._settings.majority * total else None

    def _grace_is_over(self, person: _Person, now: float) -> bool:
        return (
            person.first_vote_at is not None
            and sum(person.votes.values()) >= self._settings.min_votes
            and now - person.first_vote_at >= GRACE_WINDOWS * self._settings.window_s
        )

    def _transition(
        self,
        kind: Literal["started", "changed", "ended"],
        person: _Person,
        status: str,
        at: float,
        previous: str | None = None,
    ) -> Transition:
        cast = person.votes[status]
        return Transition(
            type=kind,
            camera=self._camera,
            track=person.track,
            status=status,
            previous=previous,
            compliant=status in self._settings.compliant,
            confidence=person.confidence_sums[status] / cast if cast else 0.0,
            box=person.box,
            zones=tuple(name for name, polygon in self._zones.items() if _contains(polygon, person.box.center)),
            started_at=person.first_seen,
            at=at,
            votes=dict(person.votes),
        )


@dataclass(slots=True)
class _Person:
    """What the votes say of one track so far."""

    track: str
    first_seen: float
    last_seen: float
    box: Box
    """In fractions of the picture."""
    confirmed: bool = False
    votes: Counter[str] = field(default_factory=Counter)
    confidence_sums: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    first_vote_at: float | None = None
    recent: deque[tuple[float, str]] = field(default_factory=deque)
    """The votes that a majority is taken of: when, and for which status; never `unknown`."""
    status: str | None = None
    """What was announced; None before `started`."""
    rival: str | None = None
    """Another status that holds the majority since `rival_since`."""
    rival_since: float = 0.0

    @property
    def judged(self) -> int:
        """Votes that are not `unknown`."""
        return sum(self.votes.values()) - self.votes[UNKNOWN]


def _contains(polygon: Sequence[tuple[float, float]], point: tuple[float, float]) -> bool:
    """Whether a point lies in a polygon, concave ones too: a ray to its right then crosses the outline an odd number
    of times."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside
