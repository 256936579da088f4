from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import edge.payloads.uuid7 as uuid7_module
from edge.geometry import Box
from edge.payloads.events import Event, ended_after_crash, event_from_transition, event_schema
from edge.payloads.payload import parse_timestamp, timestamp
from edge.payloads.reports import CameraStatus, InferenceMs, MqttStatus, OutboxStatus, Presence, Status, Window
from edge.payloads.schemas import published_schemas
from edge.payloads.uuid7 import uuid7
from tests.support.places import ROOT
from tests.support.transitions import EPOCH, MODELS, transition

NOW = 1_795_186_800.123
"""2026-11-20T15:00:00.123Z"""


def an_event() -> Event:
    return event_from_transition(transition(), epoch=EPOCH, seq=1842, device="lobby", models=MODELS, wall_time=NOW)


def schema_errors(schema: dict[str, object], instance: object) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(instance)]


def test_an_event_is_what_the_documentation_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uuid7_module, "_last", 0)  # ids never go back, and other tests made later ones
    event = json.loads(an_event().to_json())
    identifier = event.pop("id")
    assert event == {
        "schema": "maskd.event/1",
        "epoch": EPOCH,
        "seq": 1842,
        "durable": True,
        "device": "lobby",
        "camera": "door",
        "type": "started",
        "track": "t1",
        "status": "without_mask",
        "previous": None,
        "compliant": False,
        "confidence": 0.9712,
        "box": [0.41, 0.22, 0.55, 0.48],
        "zones": ["entrance"],
        "time": "2026-11-20T15:00:00.123Z",
        "started": "2026-11-20T14:59:56.873Z",
        "duration_s": 3.25,
        "votes": {"with_mask": 1, "without_mask": 14},
        "models": {"detector": "face-detector/1.0.0", "classifier": "mask-classifier/1.0.0"},
    }
    assert int(identifier.replace("-", "")[:12], 16) == round(NOW * 1000)


def test_an_event_survives_json() -> None:
    event = an_event()
    assert Event.model_validate_json(event.to_json()) == event


def test_the_schema_accepts_events_and_refuses_others() -> None:
    event = json.loads(an_event().to_json())
    assert schema_errors(event_schema(), event) == []
    for broken in (
        {**event, "extra": 1},
        {**event, "seq": 0},
        {**event, "box": [0, 0, 1]},
        {**event, "time": "2026-11-20 15:00"},
        {key: value for key, value in event.items() if key != "schema"},
    ):
        assert schema_errors(event_schema(), broken)


def test_rounding_errors_of_the_models_do_not_break_an_event() -> None:
    odd = dataclasses.replace(transition(), confidence=1.0000001, box=Box(-0.01, 0.2, 1.02, 0.5))
    event = event_from_transition(odd, epoch=EPOCH, seq=1, device="lobby", models=MODELS, wall_time=NOW)
    assert event.confidence == 1
    assert event.box == (0, 0.2, 1, 0.5)


def test_a_person_left_open_by_a_crash_ends_as_last_announced() -> None:
    last = event_from_transition(
        transition("changed", status="with_mask", previous="without_mask"),
        epoch=EPOCH,
        seq=7,
        device="lobby",
        models=MODELS,
        wall_time=NOW,
    )
    ended = ended_after_crash("any", last, epoch=EPOCH, seq=8, now=NOW + 60).event
    assert (ended.type, ended.status, ended.previous, ended.seq) == ("ended", "with_mask", None, 8)
    assert (ended.started, ended.duration_s) == (last.started, last.duration_s)
    assert ended.time == "2026-11-20T15:01:00.123Z"
    assert ended.id != last.id
    assert schema_errors(event_schema(), json.loads(ended.to_json())) == []


@given(st.floats(min_value=0, max_value=4e9))
def test_timestamps_hold_milliseconds(seconds: float) -> None:
    text = timestamp(seconds)
    assert text[-5] == "." or len(text) == len("2026-11-20T15:00:00.123Z")
    assert abs(parse_timestamp(text) - seconds) <= 0.0005 + 1e-6
    assert datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo == timezone.utc


def test_a_day_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError):
        Event.model_validate({**json.loads(an_event().to_json()), "time": "2026-02-30T15:00:00.123Z"})


def test_ids_sort_by_time_also_within_a_millisecond_and_when_the_clock_steps_back() -> None:
    future = round(NOW * 1000) + 10_000_000_000  # later than every other id of this process
    ids = [uuid7(future) for _ in range(2000)] + [uuid7(future - 5000), uuid7(future + 1)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {identifier.version for identifier in ids} == {7}
    assert {identifier.variant for identifier in ids} == {"specified in RFC 4122"}


def test_the_published_schemas_are_those_of_the_code() -> None:
    folder = ROOT / "docs/schemas"
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert written == published_schemas(), "run `python -m edge.payloads.schemas docs/schemas`"


def test_status_presence_and_window_follow_their_schemas() -> None:
    schemas = {name: json.loads(text) for name, text in published_schemas().items()}
    status = Status(
        device="lobby",
        version="1.0.0",
        uptime_s=12.5,
        models=MODELS,
        privacy="events",
        problems=["camera door: no such device"],
        cameras={
            "door": CameraStatus(enabled=True, connected=False, fps=0, frames=0, dropped=0, error="no such device")
        },
        inference_ms=InferenceMs(detect=4.1, classify=None),
        temperature_c=None,
        outbox=OutboxStatus(depth=0, withheld=0, oldest_unsent_s=None, lost=0, epoch=EPOCH, latest_seq=0),
        mqtt=MqttStatus(connections=1, acknowledged=0, refused=0),
        time=timestamp(NOW),
    )
    window = Window(
        device="lobby",
        camera="door",
        begin=timestamp(NOW - 60),
        end=timestamp(NOW),
        people=3,
        counts={"with_mask": 2, "unknown": 1},
        compliance_rate=1.0,
    )
    presence = Presence(device="lobby", camera="door", people=0, counts={}, violation=False, time=timestamp(NOW))
    assert schema_errors(schemas["presence-1.json"], json.loads(presence.to_json())) == []
    assert schema_errors(schemas["status-1.json"], json.loads(status.to_json())) == []
    assert schema_errors(schemas["window-1.json"], json.loads(window.to_json())) == []
    assert json.loads(window.to_json())["from"] == "2026-11-20T14:59:00.123Z"
