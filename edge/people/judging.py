"""The votes that a picture brings: classifies the people who are due, and lets each answer speak for the pictures
since the one before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edge.people.policy import Candidate, due, overlapping
from edge.people.tracking import Track, TrackUpdate
from edge.vision.masks import Classification

MOST_KEPT = 24
"""Faces kept for one person between two looks: enough for 0.5 s at an uneven 30 fps. One 80 pixels high takes 40 kB."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What one picture says of one person."""

    at: float
    """When the picture was taken, in monotonic seconds."""
    classification: Classification
    carried: bool = False
    """The classifier did not see this picture; its answer before and after it was the same."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of one person, by the votes so far."""

    status: str | None
    """What was announced; None before `started`."""
    contested: bool
    """The recent votes are not unanimous for it."""
    compliant: bool | None = None
    """What was announced; None before `started`."""
    breaks_in: tuple[str, ...] = ()
    """The zones whose own rule the announced status breaks."""


class Eye(Protocol):
    """The classifier before one picture."""

    def classify(self, tracks: Sequence[Track]) -> list[Classification]:
        """Of the faces of these tracks on the picture."""
        ...

    def keep(self, track: Track) -> Callable[[], Classification]:
        """Keeps a copy of what the classifier would see of this face; to be called where it is to look after all."""
        ...


@dataclass(slots=True)
class _Skipped:
    """A picture whose face was not classified."""

    at: float
    look: Callable[[], Classification] | None
    """Classifies the face after all; None where it was not kept."""


@dataclass(slots=True)
class Memory:
    """What is known of one track from the pictures before."""

    latest: Classification | None = None
    judged_at: float = 0.0
    found_again: bool = False
    skipped: list[_Skipped] = field(default_factory=list)


class Judge:
    """Judges the people of one camera, a picture at a time.

    While a person is settled, only some pictures are classified; of the others the face is kept until the next answer.
    If that answer is the same, it speaks for them too, one vote for each picture, so that a few quick votes do not
    outweigh calm seconds. If it differs, the kept faces are classified as well: a change then counts from the picture
    that shows it first, as if every picture had been classified.
    """

    def __init__(self) -> None:
        self._memories: dict[str, Memory] = {}
        self._previous_at: float | None = None
        self.classified = 0
        """Faces that went through the classifier for the latest picture."""

    def memory(self, track: str) -> Memory:
        """Of a track that is followed; empty before the first picture of it."""
        return self._memories.get(track, Memory())

    def votes(
        self,
        update: TrackUpdate,
        standings: Mapping[str, Standing],
        eye: Eye,
        *,
        now: float,
        min_score: float,
        interval_s: float,
    ) -> dict[str, list[Vote]]:
        """The votes for each track from a picture taken at `now`, in the order of their times. Only faces of at least
        `min_score` are classified."""
        gap_s = 0.0 if self._previous_at is None else now - self._previous_at
        self._previous_at = now
        self.remember(update)
        clear = [track for track in update.active if track.seen and track.face.score >= min_score]
        candidates = [self._candidate(track.id, standings[track.id]) for track in clear]
        crossing = overlapping([(track.id, track.expected_box(now)) for track in update.active])
        chosen = due(candidates, crossing, now=now, gap_s=gap_s, interval_s=interval_s)
        looked_at = [track for track in clear if track.id in chosen]
        answers = eye.classify(looked_at) if looked_at else []
        self.classified = len(answers)
        for track in clear:
            if track.id not in chosen:
                self._keep(self._memories[track.id], _Skipped(now, eye.keep(track)))
        return {
            track.id: self._take_in(self._memories[track.id], answer, now)
            for track, answer in zip(looked_at, answers, strict=True)
        }

    def remember(self, update: TrackUpdate) -> None:
        """Takes in who was missed, and who has left."""
        for track in update.ended:
            self._memories.pop(track.id, None)
        for track in update.active:
            memory = self._memories.setdefault(track.id, Memory())
            memory.found_again = memory.found_again or not track.seen

    def _candidate(self, track: str, standing: Standing) -> Candidate:
        memory = self._memories[track]
        judged = None if memory.latest is None else memory.latest.status
        return Candidate(
            track, standing.status, standing.contested, judged, memory.judged_at, found_again=memory.found_again
        )

    @staticmethod
    def _keep(memory: Memory, skipped: _Skipped) -> None:
        memory.skipped.append(skipped)
        kept = [each for each in memory.skipped if each.look is not None]
        if len(kept) > MOST_KEPT:
            for each in kept[::2]:
                each.look = None

    def _take_in(self, memory: Memory, answer: Classification, now: float) -> list[Vote]:
        is_same = memory.latest is not None and answer.status == memory.latest.status
        votes: list[Vote] = []
        # From the last to the first: a picture that was not kept goes by the one after it.
        later = answer
        for skipped in reversed(memory.skipped):
            carried = is_same or skipped.look is None
            if not is_same and skipped.look is not None:
                later = skipped.look()
                self.classified += 1
            votes.append(Vote(skipped.at, later, carried))
        votes.reverse()
        memory.latest, memory.judged_at, memory.found_again = answer, now, False
        memory.skipped.clear()
        return [*votes, Vote(now, answer)]
