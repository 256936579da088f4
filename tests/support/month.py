"""A simulated month of a device: its record, and when its cameras gave pictures."""

from __future__ import annotations

import json
import random
from collections.abc import Set
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge.geometry import Box
from edge.payloads.events import ModelNames, event_from_transition
from edge.payloads.payload import timestamp
from edge.people.transition import Transition
from edge.store.record_line import write_line

MODELS = ModelNames(detector="face-detector/1.0.0", classifier="mask-classifier/1.0.0")
ZONES = {"door": ("entrance", "counter"), "hall": ("stairs",)}
_BUSY = (0, 0, 0, 0, 0, 1, 3, 8, 10, 7, 6, 9, 12, 9, 6, 7, 9, 11, 7, 3, 1, 1, 0, 0)
"""Visits of an hour of an ordinary day, about."""
SPAN_S = 300


def simulate(
    storage: Path,
    first: datetime,
    days: int,
    zone: ZoneInfo,
    *,
    seed: int = 1,
    down: Set[tuple[int, int]] = frozenset(),
) -> list[dict[str, Any]]:
    """`first`: midnight in `zone`. `down`: days and hours of the day in which maskd did not run. Returns each visit."""
    rng = random.Random(seed)
    lines: dict[str, list[bytes]] = {}
    uptime: dict[str, list[dict[str, Any]]] = {}
    visits: list[dict[str, Any]] = []
    row = 0
    moment = first.astimezone(timezone.utc)
    end = (first.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=zone).astimezone(timezone.utc)
    while moment < end:
        local = moment.astimezone(zone)
        day = (local.date() - first.date()).days
        if (day, local.hour) not in down:
            for camera in ZONES:
                weekend = 0.3 if local.weekday() >= 5 else 1.0
                night = 2 if local.hour in (1, 2) and local.weekday() == 6 else 0
                for _ in range(round((_BUSY[local.hour] + night) * weekend * rng.uniform(0.4, 1.4))):
                    at = moment.timestamp() + rng.uniform(0, 3590)
                    visit: dict[str, Any] = {
                        "camera": camera,
                        "at": round(at, 3),
                        "zones": rng.sample(ZONES[camera], 1),
                        "local": local,
                    }
                    kind = rng.choices(["with_mask", "without_mask", "changed", "unknown"], [80, 9, 6, 5])[0]
                    visits.append({**visit, "kind": kind})
            for start in range(0, 3600, SPAN_S):
                to = moment.timestamp() + start + SPAN_S
                span = {"to": timestamp(to), "s": float(SPAN_S), "up": sorted(ZONES), "off": []}
                uptime.setdefault(f"{datetime.fromtimestamp(to, timezone.utc):%Y-%m}", []).append(span)
        moment += timedelta(hours=1)
    visits.sort(key=lambda visit: float(visit["at"]))
    for visit in visits:
        row += 2
        for number, payload in enumerate(_events(visit, f"{row:012x}", row)):
            at = float(visit["at"]) + 3 + 5 * number
            name = f"{datetime.fromtimestamp(at, timezone.utc):%Y-%m-%d}"
            lines.setdefault(name, []).append(write_line(row, payload))
    for folder, files in (("record", lines), ("uptime", {k: _json(v) for k, v in uptime.items()})):
        (storage / folder).mkdir(parents=True)
        for name, content in files.items():
            (storage / folder / f"{name}.jsonl").write_bytes(b"".join(content))
    return visits


def _json(rows: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(row).encode() + b"\n" for row in rows]


def _events(visit: dict[str, Any], track: str, seq: int) -> list[bytes]:
    kind = visit["kind"]
    statuses = {"changed": ["with_mask", "without_mask"]}.get(kind, [kind])
    steps: list[tuple[Any, str, str | None]] = [("started", statuses[0], None)]
    if len(statuses) > 1:
        steps.append(("changed", statuses[1], statuses[0]))
    steps.append(("ended", statuses[-1], None))
    payloads = []
    for number, (type_, status, previous) in enumerate(steps):
        transition = Transition(
            type=type_,
            camera=visit["camera"],
            track=track,
            status=status,
            previous=previous,
            compliant=status == "with_mask",
            confidence=0.9,
            box=Box(0.4, 0.2, 0.5, 0.4),
            zones=tuple(visit["zones"]),
            started_at=0.0,
            at=3.0 + 5 * number,
            votes={status: 9},
        )
        event = event_from_transition(
            transition,
            epoch="0123456789ab",
            seq=seq,
            device="lobby",
            models=MODELS,
            wall_time=visit["at"] + transition.at,
        )
        payloads.append(event.to_json())
    return payloads
