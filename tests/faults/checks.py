"""What must hold of everything that arrived: pure functions, each of which returns the problems it sees, in words."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jsonschema

from tests.faults.collector import Arrival
from tests.support.webhook_server import Call

SHOWN = 10
"""Of a long list of numbers, so many are printed."""
ORPHAN_AFTER = 60
"""Later events of the same camera, after which nobody can still be the same person before it."""
LONGEST_VISIT_S = 20.0
"""The pictures show nobody for longer than 2.5 s, but a busy machine takes its time."""


class Number(NamedTuple):
    """What an event is published under."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return str(self.seq)


@dataclass(frozen=True, slots=True)
class ArrivedEvent:
    arrival: Arrival
    event: Mapping[str, Any]
    """The payload."""

    @property
    def seq(self) -> int:
        return int(self.event["seq"])

    @property
    def is_resent(self) -> bool:
        """It was published again on demand."""
        return self.event.get("resent") is True

    @property
    def number(self) -> Number:
        return Number(str(self.event["epoch"]), self.seq)


def first_arrivals(events: Iterable[ArrivedEvent]) -> list[ArrivedEvent]:
    """Without repeats, as a subscriber sees them who drops what has an `id` that was there before."""
    first: dict[str, ArrivedEvent] = {}
    for event in events:
        first.setdefault(event.event["id"], event)
    return list(first.values())


def in_place(events: Iterable[ArrivedEvent]) -> list[ArrivedEvent]:
    """As a subscriber sorts them who has asked for what was lost: those that came again on demand, where their numbers
    belong."""
    events = first_arrivals(events)
    placed = [event for event in events if not event.is_resent]
    for event in (event for event in events if event.is_resent):
        later = (i for i, one in enumerate(placed) if one.number.epoch == event.number.epoch and one.seq > event.seq)
        placed.insert(next(later, len(placed)), event)
    return placed


def missing(events: Iterable[ArrivedEvent]) -> list[Number]:
    """Of each epoch the numbers from 1 to the last that never came."""
    numbers = {event.number for event in events}
    last: dict[str, int] = defaultdict(int)
    for epoch, seq in numbers:
        last[epoch] = max(last[epoch], seq)
    return sorted({Number(epoch, seq) for epoch, end in last.items() for seq in range(1, end + 1)} - numbers)


def check_complete(events: Iterable[ArrivedEvent], committed: Collection[Number]) -> list[str]:
    """`committed`: numbers that the daemon itself said were safe."""
    events = list(events)
    problems = []
    if gone := missing(events):
        problems.append(f"{len(gone)} events never came: seq {_some(gone)}")
    if unsent := sorted(set(committed) - {event.number for event in events} - set(gone)):
        problems.append(f"{len(unsent)} events were committed and never came: seq {_some(unsent)}")
    return problems


def check_identity(events: Iterable[ArrivedEvent]) -> list[str]:
    """A number belongs to one event, and an event is sent again byte for byte.

    One exception: a disk that failed in the middle of a commit may have kept what it refused. Sent as not durable
    meanwhile, it comes once more, committed, under the same id.
    """
    ids: dict[Number, set[str]] = defaultdict(set)
    payloads: dict[str, set[bytes]] = defaultdict(set)
    for event in events:
        ids[event.number].add(event.event["id"])
        if event.event["durable"]:
            payloads[event.event["id"]].add(event.arrival.payload.replace(b',"resent":true}', b"}"))
    doubled = [number for number, known in ids.items() if len(known) > 1]
    changed = [identity for identity, known in payloads.items() if len(known) > 1]
    problems = []
    if doubled:
        problems.append(f"{len(doubled)} numbers were given to more than one event: seq {_some(sorted(doubled))}")
    if changed:
        problems.append(f"{len(changed)} events came again with another payload: {_some(changed)}")
    return problems


def check_order(events: Iterable[ArrivedEvent]) -> list[str]:
    """New events of an epoch come in the order of their numbers, all cameras together; not what was asked for again."""
    problems: list[str] = []
    newest: dict[str, int] = defaultdict(int)
    for event in first_arrivals(event for event in events if not event.is_resent):
        if event.seq < newest[event.number.epoch]:
            problems.append(f"seq {event.seq} came for the first time after seq {newest[event.number.epoch]}")
        newest[event.number.epoch] = max(newest[event.number.epoch], event.seq)
    return problems


def check_lives(events: Iterable[ArrivedEvent], *, stopped: bool, forgotten: Collection[Number] = ()) -> list[str]:
    """Everyone starts once, before all else, and ends once, after all else.

    `stopped`: the daemon was stopped in order, so nobody is there any more. Else whoever still is must be recent.
    `forgotten`: numbers of events that nothing on the device knows of any more. A person who ended by one of them may
    end again, and one whose events are all forgotten may never end.
    """
    problems = []
    lives: dict[str, list[ArrivedEvent]] = defaultdict(list)
    places: dict[str, list[int]] = defaultdict(list)
    last_place: dict[str, int] = {}
    # In the order of arrival, which check_order() looks at, since numbers of two epochs have no order.
    for index, event in enumerate(in_place(events)):
        lives[event.event["track"]].append(event)
        last_place[event.event["track"]] = index
        places[event.event["camera"]].append(index)
    for track, life in lives.items():
        kinds = [event.event["type"] for event in life]
        place = f"track {track} (seq {_some([event.seq for event in life])})"
        if kinds[0] != "started" or "started" in kinds[1:]:
            problems.append(f"{place} does not begin with one `started`: {kinds}")
        ends = [event for event in life if event.event["type"] == "ended" and event.event["durable"]]
        is_known = life[kinds.index("ended")].number not in forgotten if "ended" in kinds else True
        # An end that the disk did not take is not known after a restart.
        if "ended" in kinds[:-1] and is_known and (len(ends) > 1 or life[-1].event["type"] != "ended"):
            problems.append(f"{place} goes on after its `ended`: {kinds}")
        statuses = [life[0].event["status"]]
        for event in life[1:]:
            if event.event["type"] == "changed" and event.event["previous"] != statuses[-1]:
                problems.append(f"{place} changed from {event.event['previous']}, and was {statuses[-1]}")
            statuses.append(event.event["status"])
        if kinds[-1] != "ended" and not all(event.number in forgotten for event in life):
            later = sum(index > last_place[track] for index in places[life[0].event["camera"]])
            if stopped or later > ORPHAN_AFTER:
                problems.append(f"{place} never ended, {later} events of its camera later")
    return problems


def check_times(events: Iterable[ArrivedEvent], *, clock_was_set_back: bool) -> list[str]:
    """In one camera's events that happen now (an `ended` tells of the past) time goes on as the numbers do."""
    if clock_was_set_back:
        return []
    problems = []
    newest: dict[str, str] = {}
    for event in in_place(events):
        if event.event["type"] == "ended":
            continue
        camera, moment = event.event["camera"], event.event["time"]
        if moment < newest.get(camera, ""):
            problems.append(f"seq {event.seq} of {camera} happened at {moment}, before {newest[camera]}")
        newest[camera] = max(moment, newest.get(camera, ""))
    return problems


def check_durations(events: Iterable[ArrivedEvent]) -> list[str]:
    """Nobody stays longer than people do here, whatever the clock does."""
    return [
        f"seq {event.seq} tells of a visit of {event.event['duration_s']} s"
        for event in events
        if event.event["duration_s"] > LONGEST_VISIT_S
    ]


def check_repeats(events: Sequence[ArrivedEvent], *, seen: Collection[str], allowed: int) -> tuple[int, list[str]]:
    """How many events of a round came again though the daemon had sent them before, and whether that was too many.

    `seen`: ids that arrived in earlier rounds. What the broker itself marks as a duplicate is the broker's repeat.
    """
    known, repeats = set(seen), []
    for event in events:
        if event.event["id"] in known and not event.arrival.duplicate and not event.is_resent:
            repeats.append(event.seq)
        known.add(event.event["id"])
    if len(repeats) > allowed:
        return len(repeats), [f"{len(repeats)} repeats, of which {allowed} are explained: seq {_some(repeats)}"]
    return len(repeats), []


def check_schemas(arrivals: Iterable[Arrival], schemas: Mapping[str, str]) -> list[str]:
    """Every payload that names a schema follows it. `schemas`: the text of each by its file's name."""
    validators = {name: jsonschema.Draft202012Validator(json.loads(text)) for name, text in schemas.items()}
    problems = []
    for arrival in arrivals:
        if arrival.topic.endswith(("/availability", "/camera", "/set")) or not arrival.payload:
            continue
        payload = json.loads(arrival.payload)
        name = payload.get("schema", "").removeprefix("maskd.").replace("/", "-") + ".json"
        if name not in validators:
            problems.append(f"a payload on {arrival.topic} follows no known schema: {arrival.payload[:80]!r}")
            continue
        problems += [f"{arrival.topic}: {error.message}" for error in validators[name].iter_errors(payload)]
    return problems


def check_availability(arrivals: Iterable[Arrival], *, went_away: bool) -> list[str]:
    """Of one round at whose end the daemon is there; `went_away`: it was killed or stopped while it was connected."""
    said = [a.payload.decode() for a in arrivals if a.topic.endswith("/availability") and not a.retained]
    problems = []
    if unknown := set(said) - {"online", "offline"}:
        problems.append(f"availability said {unknown}")
    if said and said[-1] != "online":
        problems.append(f"the daemon is there, and availability says {said[-1]}")
    if went_away and "offline" not in said:
        problems.append("the daemon went away, and availability never said `offline`")
    return problems


def check_record(lines: Iterable[str], events: Iterable[ArrivedEvent], *, torn: int = 0) -> list[str]:
    """The local record holds every event that came, once, and as it was sent, and at most `torn` lines beside them."""
    problems, unreadable = [], []
    recorded: Counter[Number] = Counter()
    ids: dict[Number, str] = {}
    for line in lines:
        try:
            event = json.loads(line)
            number = Number(event["epoch"], event["seq"])
            recorded[number] += 1
            ids[number] = event["id"]
        except (ValueError, KeyError, TypeError):
            unreadable.append(line)
    if len(unreadable) > torn:
        problems.append(f"the record holds {len(unreadable)} lines that are no event: {unreadable[-1][:80]!r}")
    sent = {event.number: event.event["id"] for event in events}
    if unknown := sorted(set(sent) - set(recorded)):
        problems.append(f"the record lacks {len(unknown)} events that were sent: seq {_some(unknown)}")
    if doubled := sorted(number for number, count in recorded.items() if count > 1):
        problems.append(f"the record holds {len(doubled)} events more than once: seq {_some(doubled)}")
    if others := sorted(number for number, identity in sent.items() if ids.get(number, identity) != identity):
        problems.append(f"the record holds other events than were sent: seq {_some(others)}")
    return problems


def check_actions(calls: Sequence[Call]) -> list[str]:
    """An event is told under one key, however often, and in the same words."""
    keys: dict[str, set[str]] = defaultdict(set)
    for call in calls:
        keys[call.json["event_id"]].add(call.key)
    doubled = [event for event, known in keys.items() if len(known) > 1]
    return [f"{len(doubled)} events were told under several keys: {_some(doubled)}"] if doubled else []


def check_log(lines: Sequence[str], *, limit: int) -> list[str]:
    """The log of one round; `limit`: lines beside those that tell of events, and of rules that act on them."""
    problems = []
    if traces := [line for line in lines if line.startswith("Traceback")]:
        last = max(index for index, line in enumerate(lines) if line == traces[-1])
        problems.append(f"{len(traces)} tracebacks in the log, the last: {' | '.join(lines[last : last + 30])}")
    others = [line for line in lines if " seq " not in line and not line.endswith(" acts")]
    if len(others) > limit:
        common = Counter(line.partition(" ")[2][-100:] for line in others).most_common(2)
        problems.append(f"{len(others)} lines in the log, {limit} are expected; the most common: {common}")
    return problems


def _some(values: Sequence[object]) -> str:
    shown = ", ".join(map(str, values[:SHOWN]))
    return f"{shown}, ..." if len(values) > SHOWN else shown
