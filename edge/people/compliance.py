"""From votes to what is announced about each person, by majority and hysteresis: pure logic that takes the time."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.config import ALL, ComplianceSettings
from edge.geometry import Box
from edge.payloads.statuses import UNKNOWN
from edge.people.judging import Standing, Vote
from edge.people.tracking import Track, TrackUpdate
from edge.people.transition import Transition
from edge.people.zones import Whereabouts, Zones

GRACE_WINDOWS = 3.0
"""Windows that a person may stay undecided before being announced as `unknown`."""


class Compliance:
    """Announces the people of one camera.

    A person is `started` once `min_votes` votes are in and one status holds the majority of the recent ones, `changed`
    once another status has held it for `hold_s`, and `ended` with the track. `unknown` votes never win a majority; a
    person still undecided after three windows is announced as `unknown`. One who was never announced goes in silence,
    unless `min_votes` votes were in: then `started` and `ended` come together.

    Where a person is decides which statuses comply: every zone must agree, and outside of all zones the camera's rule
    holds. A crossing, or another rule, that flips it is a `changed` to the same status. One who has only been in zones
    that do not count yet is not announced.
    """

    def __init__(self, settings: ComplianceSettings, *, camera: str, zones: Zones) -> None:
        self._settings = settings
        self._camera = camera
        self._zones = zones
        self._people: dict[str, _Person] = {}

    def adjust(self, settings: ComplianceSettings, zones: Zones) -> None:
        """Between two frames: from now on these hold. What was announced stays, and so do the votes."""
        self._settings = settings
        self._zones = zones

    def standing(self, track: str) -> Standing:
        """Of a track that is followed."""
        person = self._people.get(track)
        if person is None:
            return Standing(status=None, contested=False)
        status = person.status
        breaks_in = (
            ()
            if status is None or status == UNKNOWN
            else tuple(zone for zone in person.where.zones if not self._complies(status, (zone,)))
        )
        return Standing(status, person.contested, person.compliant, breaks_in)

    def update(
        self,
        update: TrackUpdate,
        votes: Mapping[str, Sequence[Vote]],
        whereabouts: Callable[[str], Whereabouts],
        frame_size: tuple[int, int],
    ) -> list[Transition]:
        """Takes in the tracks after a frame of `frame_size` (width, height) pixels, and the votes that it brought, by
        track and in the order of their times. `whereabouts`: of each track."""
        transitions = []
        for track in update.active:
            person = self._people.get(track.id)
            if person is None:
                person = self._people[track.id] = _Person(track, frame_size)
            if track.seen:
                person.frame_size = frame_size
            person.where = whereabouts(track.id)
            for vote in votes.get(track.id, ()):
                transitions += self._count(person, vote)
            if track.seen:
                transitions += self._look_at_rules(person)
        for track in update.ended:
            if (gone := self._people.pop(track.id, None)) is not None:
                gone.where = whereabouts(track.id)
                transitions += self._end(gone)
        return transitions

    def _count(self, person: _Person, vote: Vote) -> list[Transition]:
        person.count(vote)
        if vote.classification.status != UNKNOWN:
            person.recent.append((vote.at, vote.classification.status))
            person.counts[vote.classification.status] += 1
            # At least min_votes stay: a slow camera then decides as well, and after a pause one vote is not a majority.
            while len(person.recent) > self._settings.min_votes and self._is_old(person.recent[0][0], vote.at):
                person.drop_oldest()
        # Only a vote decides: while a person is not seen, no majority is held.
        if not person.track.confirmed:
            return []
        counts = person.counts
        if person.status is None:
            transitions = self._begin(person, counts, vote.at)
        else:
            transitions = self._revise(person, counts, vote)
        was_unknown = person.unknown_at is not None and not self._is_old(person.unknown_at, vote.at)
        person.contested = was_unknown or set(counts) != {person.status}
        return transitions

    def _is_old(self, voted_at: float, now: float) -> bool:
        return now - voted_at > self._settings.window_s

    def _begin(self, person: _Person, counts: Counter[str], now: float) -> list[Transition]:
        if person.where.is_waiting:
            return []
        status = self._majority(counts)
        if status is None and self._grace_is_over(person, now):
            status = UNKNOWN
        return [] if status is None else [self._start(person, status, now)]

    def _revise(self, person: _Person, counts: Counter[str], vote: Vote) -> list[Transition]:
        if vote.classification.status == UNKNOWN:
            return []
        leader = self._majority(counts)
        rival = leader if leader != person.status else None
        if rival != person.rival:
            person.rival, person.rival_since = rival, vote.at
        if rival is None or vote.at - person.rival_since < self._settings.hold_s:
            return []
        previous, person.status, person.rival = person.status, rival, None
        return [self._transition("changed", person, rival, vote.at, previous)]

    def _look_at_rules(self, person: _Person) -> list[Transition]:
        status = person.status
        if status is None or self._complies(status, person.where.zones) == person.compliant:
            return []
        return [self._transition("changed", person, status, person.track.last_seen, status)]

    def _complies(self, status: str, zones: Sequence[str]) -> bool:
        rules = [self._zones[zone].compliant for zone in zones if zone in self._zones] or [None]
        return all(self._allows(rule, status) for rule in rules)

    def _allows(self, rule: Sequence[str] | None, status: str) -> bool:
        """`rule`: the statuses that comply; None: those of the camera."""
        if rule is None:
            return status in self._settings.compliant
        return status in rule or (ALL in rule and status != UNKNOWN)

    def _start(self, person: _Person, status: str, now: float) -> Transition:
        person.status, person.rival = status, None
        return self._transition("started", person, status, now)

    def _end(self, person: _Person) -> list[Transition]:
        transitions = []
        last_seen = person.track.last_seen
        may_start = person.track.confirmed and not person.where.is_waiting
        if person.status is None and may_start and person.judged >= self._settings.min_votes:
            overall = self._majority(Counter({s: n for s, n in person.votes.items() if s != UNKNOWN}))
            transitions.append(self._start(person, overall or UNKNOWN, last_seen))
        if person.status is not None:
            transitions.append(self._transition("ended", person, person.status, last_seen))
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
        person.compliant = self._complies(status, person.where.zones)
        return Transition(
            type=kind,
            camera=self._camera,
            track=person.track.id,
            status=status,
            previous=previous,
            compliant=person.compliant,
            confidence=person.confidence_sums[status] / cast if cast else 0.0,
            box=person.box,
            zones=person.where.zones,
            started_at=person.track.first_seen,
            at=at,
            votes=dict(person.votes),
        )


@dataclass(slots=True)
class _Person:
    """What the votes say of one track so far."""

    track: Track
    frame_size: tuple[int, int]
    """Width and height of the picture that showed the face last."""
    votes: Counter[str] = field(default_factory=Counter)
    """Judgements made, per status."""
    confidence_sums: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    first_vote_at: float | None = None
    recent: deque[tuple[float, str]] = field(default_factory=deque)
    """The votes that a majority is taken of: when, and for which status; never `unknown`."""
    counts: Counter[str] = field(default_factory=Counter)
    """Those votes, per status; one without a vote is not among them."""
    status: str | None = None
    """What was announced; None before `started`."""
    compliant: bool | None = None
    """What was announced with it."""
    where: Whereabouts = field(default_factory=Whereabouts)
    rival: str | None = None
    """Another status that holds the majority since `rival_since`."""
    rival_since: float = 0.0
    unknown_at: float | None = None
    """When the latest `unknown` vote was cast."""
    contested: bool = False
    """The recent votes are not unanimous for `status`."""

    @property
    def judged(self) -> int:
        """Votes that are not `unknown`."""
        return self.votes.total() - self.votes[UNKNOWN]

    @property
    def box(self) -> Box:
        """Where the face was last seen, in fractions of the picture."""
        width, height = self.frame_size
        return self.track.box.clipped(width, height).scaled(1 / width, 1 / height)

    def drop_oldest(self) -> None:
        _, status = self.recent.popleft()
        self.counts[status] -= 1
        if not self.counts[status]:
            del self.counts[status]

    def count(self, vote: Vote) -> None:
        if self.first_vote_at is None:
            self.first_vote_at = vote.at
        if vote.classification.status == UNKNOWN:
            self.unknown_at = vote.at
        if not vote.carried:
            self.votes[vote.classification.status] += 1
            self.confidence_sums[vote.classification.status] += vote.classification.confidence
