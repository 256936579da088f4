"""What a browser draws over a picture, in one message with it, so that boxes never lag behind."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

from edge.config import Config
from edge.config.per_camera import for_camera
from edge.payloads.payload import timestamp
from edge.people.scene import Person, Scene

_LENGTH = struct.Struct("<I")


def scene_message(
    scene: Scene, jpeg: bytes, config: Config, now: float, wall_offset: float, tried: Sequence[Person] | None = None
) -> bytes:
    """Length of the JSON (4 bytes, little endian), the JSON, the JPEG.

    `now`: monotonic seconds. `wall_offset`: from those to seconds since 1970. `tried`: who would be seen by the rules
    that this browser tries.
    """
    fields = scene_fields(scene, config, now, wall_offset)
    if tried is not None:
        width, height = fields["size"]
        fields["tried"] = people_fields(tried, width, height)
    header = json.dumps(fields, separators=(",", ":")).encode()
    return _LENGTH.pack(len(header)) + header + jpeg


def scene_fields(scene: Scene, config: Config, now: float, wall_offset: float) -> dict[str, Any]:
    assert scene.frame is not None
    width, height = scene.frame.pixels.size
    timings = scene.timings
    return {
        "camera": scene.camera,
        "number": scene.frame.number,
        "time": timestamp(scene.frame.captured_at + wall_offset),
        "size": [width, height],
        "zones": {name: zone.corners for name, zone in config.cameras[scene.camera].zones.items()},
        "compliant": list(for_camera(config, scene.camera).compliance.compliant),
        "people": people_fields(scene.people, width, height),
        "detect_ms": round(timings.detect_ms, 1),
        "classify_ms": round(timings.classify_ms, 1),
        "classified": timings.classified,
        "age_ms": round((now - scene.frame.captured_at) * 1000),
        "needed_px": round(scene.needed_px),
    }


def people_fields(people: Sequence[Person], width: int, height: int) -> list[dict[str, Any]]:
    """`width`, `height`: of the picture that they are on, in pixels."""
    return [_person(person, width, height) for person in people]


def _person(person: Person, width: int, height: int) -> dict[str, Any]:
    """`box`: left, top, width and height, in fractions of the picture's."""
    box, judged = person.box, person.classification
    return {
        "track": person.track,
        "box": [round(value, 4) for value in (box.x1 / width, box.y1 / height, box.width / width, box.height / height)],
        "height_px": round(box.height),
        "score": round(person.score, 3),
        "seen": person.seen,
        "confirmed": person.confirmed,
        "status": person.status,
        "compliant": person.compliant,
        "judged": None if judged is None else judged.status,
        "confidence": None if judged is None else round(judged.confidence, 3),
        "zones": [stay.zone for stay in person.zones if stay.left_at is None],
    }
