"""Which people other rules would have announced, and how: the pairs of a replay, person by person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge.people.replay import compare
from edge.people.transition import Transition

Verdict = Literal["same", "moved", "changed", "gone", "new"]
"""same: nothing differs; moved: the same events at other times; changed: other statuses, zones or judgements; gone: an
event today, and none by the changed rules; new: the reverse."""
MOVED_S = 0.3
"""Times that differ by less are a matter of which picture was classified."""


@dataclass(frozen=True, slots=True)
class VisitChange:
    """One person by both sets of rules; no transitions: not announced."""

    before: tuple[Transition, ...]
    after: tuple[Transition, ...]

    @property
    def began_at(self) -> float:
        return min(each.started_at for each in (*self.before, *self.after))

    @property
    def verdict(self) -> Verdict:
        if not self.after:
            return "gone"
        if not self.before:
            return "new"
        if [_told(each) for each in self.before] != [_told(each) for each in self.after]:
            return "changed"
        apart = (abs(one.at - other.at) for one, other in zip(self.before, self.after, strict=True))
        return "moved" if max(apart) > MOVED_S else "same"


def visit_changes(before: Sequence[Transition], after: Sequence[Transition]) -> list[VisitChange]:
    """In the order of their beginnings. Two visits are one person's where most of their events are the same."""
    votes: dict[tuple[str, str], int] = {}
    for pair in compare(before, after):
        if pair.before is not None and pair.after is not None:
            tracks = (pair.before.track, pair.after.track)
            votes[tracks] = votes.get(tracks, 0) + 1
    partner: dict[str, str] = {}
    for (one, other), _ in sorted(votes.items(), key=lambda item: -item[1]):
        if one not in partner and other not in partner.values():
            partner[one] = other
    first, second = _by_track(before), _by_track(after)
    left = [track for track in second if track not in partner.values()]
    for one, transitions in first.items():
        # Other statuses give no pair; the same person at the same moment does.
        heir = _overlapping(transitions, second, left) if one not in partner else None
        if heir is not None:
            partner[one] = heir
            left.remove(heir)
    changes = [VisitChange(each, second.get(partner.get(track, ""), ())) for track, each in first.items()]
    changes += [VisitChange((), second[track]) for track in left]
    return sorted(changes, key=lambda change: change.began_at)


def _by_track(transitions: Sequence[Transition]) -> dict[str, tuple[Transition, ...]]:
    tracks: dict[str, tuple[Transition, ...]] = {}
    for each in transitions:
        tracks[each.track] = (*tracks.get(each.track, ()), each)
    return tracks


def _overlapping(
    visit: Sequence[Transition], others: dict[str, tuple[Transition, ...]], left: Sequence[str]
) -> str | None:
    """The visit that was first seen at the same moment and place."""
    first = visit[0]
    for track in left:
        other = others[track][0]
        if abs(other.started_at - first.started_at) <= 0.5 and _are_near(first, other):
            return track
    return None


def _are_near(one: Transition, other: Transition) -> bool:
    (x, y), (other_x, other_y) = one.box.center, other.box.center
    reach = 2 * max(one.box.width, one.box.height) + abs(one.at - other.at) * one.box.width
    return max(abs(x - other_x), abs(y - other_y)) <= reach


def _told(transition: Transition) -> tuple[object, ...]:
    return transition.type, transition.status, transition.compliant, transition.zones
