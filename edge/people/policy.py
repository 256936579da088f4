"""Which people the classifier looks at in a picture: pure logic that takes the time.

Most people are settled: announced, and judged the same each time. One look now and then is enough for them. All others
are due in every picture, because each answer may decide something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from edge.config import ComplianceSettings
from edge.geometry import Box
from edge.payloads.statuses import UNKNOWN

ROUNDING_S = 1e-6
"""Frame times that are sums of 1/fps miss a whole interval by their last digits."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person whose face could be classified in this picture."""

    track: str
    status: str | None
    """What was announced; None before `started`."""
    contested: bool
    """The recent votes are not unanimous for it."""
    judged: str | None
    """The latest judgement; None before the first."""
    judged_at: float
    """When it was made, in monotonic seconds."""
    found_again: bool
    """A picture since then missed the face."""


def recheck_interval(recheck_s: float, rules: ComplianceSettings) -> float:
    """Seconds that may pass between two looks at a settled person: `recheck_s`, but not more than it takes a new status
    to be announced, or the look would come too late."""
    return min(recheck_s, rules.majority * rules.window_s + rules.hold_s)


def due(
    candidates: Sequence[Candidate], overlapping: frozenset[str], *, now: float, gap_s: float, interval_s: float
) -> frozenset[str]:
    """The tracks that are due in a picture taken at `now`.

    `overlapping`: tracks that may have been swapped. `gap_s`: seconds since the picture before, and so, most likely, to
    the next one; so there is no waiting for a picture that would come after the interval.
    """

    def is_due(each: Candidate) -> bool:
        is_settled = each.status is not None and each.status != UNKNOWN and each.judged == each.status
        return (
            not is_settled
            or each.contested
            or each.found_again
            or each.track in overlapping
            or now + gap_s - each.judged_at > interval_s + ROUNDING_S
        )

    return frozenset(each.track for each in candidates if is_due(each))


def overlapping(boxes: Sequence[tuple[str, Box]]) -> frozenset[str]:
    """The tracks, given with where each face is expected, whose box touches another one's."""
    found: set[str] = set()
    from_the_left = sorted(boxes, key=lambda each: each[1].x1)
    for number, (track, box) in enumerate(from_the_left, start=1):
        for other, there in islice(from_the_left, number, None):
            if there.x1 >= box.x2:
                break
            if box.overlaps(there):
                found |= {track, other}
    return frozenset(found)
