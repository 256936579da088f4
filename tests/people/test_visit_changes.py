"""Which people other rules would have announced, and how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.geometry import Box
from edge.people.transition import Transition
from edge.people.visit_changes import visit_changes

STARTED = Transition(
    type="started", camera="door", track="1", status="with_mask", previous=None, compliant=True, confidence=0.9,
    box=Box(0.1, 0.1, 0.2, 0.3), zones=(), started_at=1.0, at=2.0, votes={},
)  # fmt: skip
ENDED = replace(STARTED, type="ended", at=9.0)
VISIT = [STARTED, ENDED]
ELSEWHERE = [replace(each, track="7", box=Box(0.8, 0.1, 0.9, 0.3)) for each in VISIT]


@pytest.mark.parametrize(
    ("after", "verdicts"),
    [
        (VISIT, ["same"]),
        ([replace(each, track="4") for each in VISIT], ["same"]),  # a number is not a person
        ([replace(STARTED, at=2.2), ENDED], ["same"]),
        ([replace(STARTED, at=4.0), ENDED], ["moved"]),
        ([replace(each, status="without_mask", compliant=False) for each in VISIT], ["changed"]),
        ([replace(each, status="unknown", track="4") for each in VISIT], ["changed"]),
        ([replace(each, zones=("desk",)) for each in VISIT], ["changed"]),
        ([replace(each, compliant=False) for each in VISIT], ["changed"]),
        ([], ["gone"]),
        ([*VISIT, *ELSEWHERE], ["same", "new"]),
        (ELSEWHERE, ["gone", "new"]),
    ],
)
def test_people_are_compared_visit_by_visit(after: list[Transition], verdicts: list[str]) -> None:
    assert [change.verdict for change in visit_changes(VISIT, after)] == verdicts
