"""Everyone before one camera: from the faces of one picture after another to who is there and what happened to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edge.config import ComplianceSettings, TrackingSettings
from edge.people.compliance import Compliance
from edge.people.judging import Eye, Judge
from edge.people.policy import recheck_interval
from edge.people.scene import Person
from edge.people.tracking import Track, Tracker, TrackUpdate
from edge.people.transition import Transition
from edge.people.zones import Zones, ZoneStay, ZoneStays, not_ignored, point_of
from edge.vision.faces import Face


@dataclass(frozen=True, slots=True)
class Rules:
    """How the people of a camera are followed and judged."""

    min_score: float
    """A face of at least this score starts a track and is classified, 0 to 1."""
    recheck_s: float
    """Seconds between two looks at a settled person; 0: every picture."""
    tracking: TrackingSettings
    compliance: ComplianceSettings
    zones: Zones


@dataclass(frozen=True, slots=True)
class Seen:
    """What one picture, or none, has made of them."""

    people: tuple[Person, ...]
    """Those who are followed, unconfirmed tracks among them."""
    transitions: tuple[Transition, ...]
    classified: int
    """Faces that went through the classifier."""


class Crowd:
    """Follows, judges and announces the people of one camera. Pure logic: it takes the time, and the classifier as an
    `Eye`."""

    def __init__(self, rules: Rules, *, camera: str, new_id: Callable[[], str]) -> None:
        self._rules = rules
        self._tracker = Tracker(rules.tracking, min_score=rules.min_score, new_id=new_id)
        self._judge = Judge()
        self._compliance = Compliance(rules.compliance, camera=camera, zones=rules.zones)
        self._stays = ZoneStays(rules.zones)
        self._frame_size = (1, 1)

    def adjust(self, rules: Rules) -> None:
        """Between two pictures: from now on these hold, for those who are there as well."""
        self._rules = rules
        self._tracker.adjust(rules.tracking, min_score=rules.min_score)
        self._compliance.adjust(rules.compliance, rules.zones)
        self._stays.adjust(rules.zones)

    def look(self, faces: Sequence[Face], eye: Eye, frame_size: tuple[int, int], now: float) -> Seen:
        """Takes in the faces of a picture of `frame_size` (width, height) pixels, taken at `now` in monotonic
        seconds; `eye` is the classifier before that picture."""
        update, transitions, stays = self._take_in(faces, eye, frame_size, now)
        return self._seen(update, transitions, self._judge.classified, stays)

    def follow(self, faces: Sequence[Face], eye: Eye, frame_size: tuple[int, int], now: float) -> Sequence[Transition]:
        """As look(), for where only what happens counts, and not who is there."""
        update, transitions, _ = self._take_in(faces, eye, frame_size, now)
        self._forget(update)
        return transitions

    def _take_in(
        self, faces: Sequence[Face], eye: Eye, frame_size: tuple[int, int], now: float
    ) -> tuple[TrackUpdate, Sequence[Transition], Mapping[str, tuple[ZoneStay, ...]]]:
        self._frame_size = frame_size
        update = self._tracker.update(not_ignored(faces, self._rules.zones, frame_size), now)
        stays = {
            track.id: self._stays.update(track.id, point_of(track.box, frame_size), track.last_seen)
            for track in update.active
            if track.seen
        }
        votes = self._judge.votes(
            update,
            {track.id: self._compliance.standing(track.id) for track in update.active},
            eye,
            now=now,
            min_score=self._rules.min_score,
            interval_s=recheck_interval(self._rules.recheck_s, self._rules.compliance),
        )
        return update, self._compliance.update(update, votes, self._stays.whereabouts, frame_size), stays

    def wait(self, now: float) -> Seen:
        """No picture has come by `now`: who was not seen for too long leaves."""
        return self._without_picture(self._tracker.update((), now))

    def finish(self) -> Seen:
        """Ends all visits, because the camera stops."""
        return self._without_picture(self._tracker.finish())

    @property
    def is_empty(self) -> bool:
        """Nobody is followed, not even somebody who was just lost."""
        return not self._tracker.tracks

    @property
    def people(self) -> tuple[Person, ...]:
        """Those who are followed, between two pictures."""
        return tuple(
            replace(self._person(track, self._stays.current(track.id)), seen=False) for track in self._tracker.tracks
        )

    def _without_picture(self, update: TrackUpdate) -> Seen:
        self._judge.remember(update)
        transitions = self._compliance.update(update, {}, self._stays.whereabouts, self._frame_size)
        return self._seen(update, transitions, 0, {})

    def _seen(
        self,
        update: TrackUpdate,
        transitions: Sequence[Transition],
        classified: int,
        stays: Mapping[str, tuple[ZoneStay, ...]],
    ) -> Seen:
        """`stays`: those of the people whom the picture shows."""
        self._forget(update)
        people = (self._person(track, stays.get(track.id) or self._stays.current(track.id)) for track in update.active)
        return Seen(tuple(people), tuple(transitions), classified)

    def _forget(self, update: TrackUpdate) -> None:
        for track in update.ended:
            self._stays.forget(track.id)

    def _person(self, track: Track, stays: tuple[ZoneStay, ...]) -> Person:
        memory = self._judge.memory(track.id)
        standing = self._compliance.standing(track.id)
        return Person(
            track=track.id,
            box=track.box,
            score=track.face.score,
            seen=track.seen,
            confirmed=track.confirmed,
            first_seen=track.first_seen,
            last_seen=track.last_seen,
            status=standing.status,
            classification=memory.latest,
            classified_at=None if memory.latest is None else memory.judged_at,
            zones=stays,
            compliant=standing.compliant,
            breaks_in=standing.breaks_in,
        )
