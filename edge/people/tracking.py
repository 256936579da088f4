"""From the faces of one picture after another to people: pure logic, which takes the time as an argument.

Faces are tied to tracks in two rounds, in the manner of ByteTrack (Zhang et al., "ByteTrack: Multi-Object Tracking by
Associating Every Detection Box", ECCV 2022, arXiv:2110.06864): confident faces first, then the fainter ones to the
tracks that are left, since a face that turns away or blurs grows faint long before it is gone. Motion and affinity are
our own and count in seconds, not in frames, because a busy small computer sees 2 to 30 frames per second, unevenly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.config import TrackingSettings
from edge.geometry import Box
from edge.people.assignment import best_pairs
from edge.vision.faces import Face

DAMPING_S = 0.8
"""Time constant with which a track that is not seen is expected to slow down: people stop, and turn."""
VELOCITY_SMOOTHING_S = 0.2
"""Time constant over which measured velocity is averaged: at 30 fps a jitter of one pixel reads as 30 px/s."""
REACH_AT_ONCE = 0.5
"""Face sizes that a face may lie from where it is expected, however short the time; the boxes then overlap."""
REACH_PER_S_KNOWN, REACH_MAX_KNOWN = 2.0, 2.0
"""Face sizes added to the reach for each second unseen, and its limit, where the velocity has been measured."""
REACH_PER_S_NEW, REACH_MAX_NEW = 5.0, 3.0
"""The same for a track seen only once: a walk of 1 m/s is about five faces per second."""
UNCONFIRMED_PATIENCE = 0.5
"""Share of lost_after_s that an unconfirmed track is kept: two false faces a second apart are not one person."""


@dataclass(slots=True, eq=False)
class Track:
    """One person in front of one camera, for as long as the face can be followed.

    It belongs to its Tracker, which changes it. The id is fresh for every track and says nothing about who it is.
    """

    id: str
    face: Face
    """As it was last seen."""
    first_seen: float
    last_seen: float
    """Monotonic seconds."""
    seen: bool = True
    """Whether the latest frame showed the face."""
    hits: int = 1
    """Frames in which the face was seen."""
    confirmed: bool = False
    velocity: tuple[float, float] = (0.0, 0.0)
    """Of the box's centre, in pixels per second to the right and down."""

    @property
    def box(self) -> Box:
        """Where the face was last seen, in pixels."""
        return self.face.box

    def expected_box(self, now: float) -> Box:
        """Where the face should be by now, if it slows down gently from the velocity it last had."""
        travel_s = DAMPING_S * -math.expm1(-max(0.0, now - self.last_seen) / DAMPING_S)
        return self.box.moved(self.velocity[0] * travel_s, self.velocity[1] * travel_s)

    def reach(self, now: float) -> float:
        """How far from there it may lie, in pixels."""
        unseen_s = max(0.0, now - self.last_seen)
        per_s, limit = (REACH_PER_S_KNOWN, REACH_MAX_KNOWN) if self.hits > 1 else (REACH_PER_S_NEW, REACH_MAX_NEW)
        return _size(self.box) * min(REACH_AT_ONCE + per_s * unseen_s, limit)


@dataclass(frozen=True, slots=True)
class TrackUpdate:
    """The tracks after one frame; unconfirmed ones are among them, in both fields."""

    active: tuple[Track, ...]
    ended: tuple[Track, ...]
    """Gone for good: each track appears here exactly once."""


class Tracker:
    """Follows the faces of one camera.

    A face of at least `min_score` starts a track where none fits; fainter ones only carry a track on. A track is
    confirmed after `min_hits` faces. It ends after `lost_after_s` without one, an unconfirmed track after half of that.
    """

    def __init__(self, settings: TrackingSettings, *, min_score: float, new_id: Callable[[], str]) -> None:
        self._settings = settings
        self._min_score = min_score
        self._new_id = new_id
        self._tracks: list[Track] = []

    def adjust(self, settings: TrackingSettings, *, min_score: float) -> None:
        """Between two frames: from now on these hold, for those who are there as well."""
        self._settings = settings
        self._min_score = min_score

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Those that are followed, as the latest update left them."""
        return tuple(self._tracks)

    def update(self, faces: Sequence[Face], now: float) -> TrackUpdate:
        """Takes in one frame, captured at `now` in monotonic seconds; an empty one counts as well."""
        for track in self._tracks:
            track.seen = False
        patience = self._settings.lost_after_s
        # Before matching: after a long gap in the video, a person there now is a new one.
        ended = [track for track in self._tracks if now - track.last_seen > patience]
        known = [track for track in self._tracks if now - track.last_seen <= patience]
        confident = [face for face in faces if face.score >= self._min_score]
        faint = [face for face in faces if face.score < self._min_score]

        left_tracks, new_faces = self._match(known, confident, now, beyond_overlap=True)
        # A faint face is often no face at all: it may continue a track only where the face is expected.
        self._match(left_tracks, faint, now, beyond_overlap=False)

        flickered = [t for t in known if not t.confirmed and now - t.last_seen > patience * UNCONFIRMED_PATIENCE]
        self._tracks = [track for track in known if track not in flickered]
        self._tracks += [self._begin(face, now) for face in new_faces]
        return TrackUpdate(active=tuple(self._tracks), ended=(*ended, *flickered))

    def finish(self) -> TrackUpdate:
        """Ends every track, because the camera stops."""
        ended, self._tracks = tuple(self._tracks), []
        for track in ended:
            track.seen = False
        return TrackUpdate(active=(), ended=ended)

    def _match(
        self, tracks: Sequence[Track], faces: Sequence[Face], now: float, *, beyond_overlap: bool
    ) -> tuple[list[Track], list[Face]]:
        """Gives faces to tracks; returns the tracks and the faces that are left."""
        if not tracks or not faces:
            return list(tracks), list(faces)
        boxes = [face.box for face in faces]
        affinity = _affinity(tracks, boxes, now, self._settings.match_iou, beyond_overlap=beyond_overlap)
        pairs = best_pairs(affinity)
        for row, column in pairs:
            self._continue(tracks[row], faces[column], now)
        return _without(tracks, (row for row, _ in pairs)), _without(faces, (column for _, column in pairs))

    def _begin(self, face: Face, now: float) -> Track:
        return Track(
            id=self._new_id(),
            face=face,
            first_seen=now,
            last_seen=now,
            confirmed=self._settings.min_hits <= 1,
        )

    def _continue(self, track: Track, face: Face, now: float) -> None:
        elapsed = now - track.last_seen
        if elapsed > 0:
            weight = -math.expm1(-elapsed / VELOCITY_SMOOTHING_S)
            moved = zip(track.velocity, face.box.center, track.box.center, strict=True)
            vx, vy = (old + weight * ((there - here) / elapsed - old) for old, there, here in moved)
            track.velocity = (vx, vy)
        track.face, track.seen, track.last_seen = face, True, now
        track.hits += 1
        track.confirmed = track.confirmed or track.hits >= self._settings.min_hits


def _affinity(
    tracks: Sequence[Track], boxes: Sequence[Box], now: float, match_iou: float, *, beyond_overlap: bool
) -> NDArray[np.float64]:
    """How well each box continues each track: (tracks, boxes), 1 at best, 0 where it cannot.

    It falls with the square of the distance, in units of the track's reach, and of the change of size, in octaves.
    Squares, so that the best sum explains all movements at once: two people side by side who both take one step are two
    short steps, not one face that stayed and one that leapt, as overlap alone or a greedy choice would have it. A track
    whose person may be anywhere in a larger area claims each spot in it less, as a density does: so the person in front
    keeps the face while the one behind is hidden.
    """
    expected = [_spot(track.expected_box(now)) for track in tracks]
    reaches = [track.reach(now) for track in tracks]
    spreads = [reach / here.size for reach, here in zip(reaches, expected, strict=True)]
    least = min(spreads)
    spots = [_spot(box) for box in boxes]
    # Without numpy, which takes several times as long for the few people of most pictures.
    affinity = [
        [
            _pair_affinity(
                here, there, reach, certainty=(least / spread) ** 2, match_iou=match_iou, beyond=beyond_overlap
            )
            for there in spots
        ]
        for here, reach, spread in zip(expected, reaches, spreads, strict=True)
    ]
    return np.array(affinity, dtype=np.float64)


class _Spot(NamedTuple):
    """A box, and what its pairs need of it."""

    box: Box
    center: tuple[float, float]
    size: float


def _spot(box: Box) -> _Spot:
    return _Spot(box, box.center, _size(box))


def _pair_affinity(
    here: _Spot, there: _Spot, reach: float, *, certainty: float, match_iou: float, beyond: bool
) -> float:
    overlap = here.box.iou(there.box) if here.box.overlaps(there.box) else 0.0
    overlaps = overlap >= match_iou
    if not overlaps and not beyond:
        return 0.0
    # Overlapping boxes may always continue a track, if nothing better does.
    least = 0.01 if overlaps else 0.0
    distance = math.dist(here.center, there.center)
    if distance >= reach:
        return least
    octaves = math.log2(there.size / here.size)
    return max(certainty * (1.0 - (distance / reach) ** 2 - octaves**2), least)


def _size(box: Box) -> float:
    """The side of a square of the same area, at least one pixel: steadier than height or width while a head turns."""
    return math.sqrt(max(box.area, 1.0))


Item = TypeVar("Item")


def _without(items: Sequence[Item], taken: Iterable[int]) -> list[Item]:
    indices = set(taken)
    return [item for index, item in enumerate(items) if index not in indices]
