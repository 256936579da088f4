"""From the decision of a rule to the action that its outputs carry out."""

from __future__ import annotations

from uuid import UUID, uuid5

from edge.payloads.action import Action
from edge.payloads.payload import timestamp
from edge.payloads.uuid7 import uuid7
from edge.rules.occasions import Firing

_STATUS_WORDS = {
    "with_mask": "with a mask",
    "without_mask": "without a mask",
    "mask_weared_incorrect": "whose mask is worn wrongly",
    "unknown": "of unknown status",
}


def action_of(firing: Firing, output: str, device: str) -> Action:
    """The same firing and output always give the same id, also after a crash."""
    one = firing.person
    moment = uuid7(round(firing.wall_time * 1000)) if one is None or one.id is None else one.id
    return Action(
        id=_id(moment, firing.rule, output),
        text=text_of(firing),
        rule=firing.rule,
        device=device,
        time=timestamp(firing.wall_time),
        camera=None if one is None else one.camera,
        event=None if one is None else one.type,
        event_id=None if one is None else one.id,
        status=None if one is None else one.status,
        previous=None if one is None else one.previous,
        compliant=None if one is None else one.compliant,
        confidence=None if one is None else round(min(max(one.confidence, 0.0), 1.0), 4),
        zones=() if one is None else one.zones,
        track=None if one is None else one.track,
        duration_s=None if one is None else round(one.duration_s, 3),
        people=firing.people,
        minutes=firing.minutes,
        recovered=one is not None and one.is_recovered,
    )


def text_of(firing: Firing) -> str:
    """One sentence for a person."""
    if firing.minutes is not None:
        return f"{firing.rule}: nobody has complied for {firing.minutes:g} minutes; {_count(firing.people or 0)} there"
    if firing.people is not None:
        return f"{firing.rule}: {_count(firing.people)} there"
    one = firing.person
    if one is None:
        return firing.rule
    place = f"{one.camera} ({', '.join(one.zones)})" if one.zones else one.camera
    doing = {"started": "", "changed": "now ", "ended": "who has left, "}[one.type]
    who = _STATUS_WORDS.get(one.status, f"with status {one.status}")
    duration = f", for {one.duration_s:.0f} s" if one.duration_s >= 1 else ""
    return f"{place}: a person {doing}{who}{duration}"


def _count(people: int) -> str:
    return "1 person is" if people == 1 else f"{people} people are"


def _id(moment: UUID, rule: str, output: str) -> UUID:
    return uuid5(moment, f"{rule}/{output}")
