"""`maskd status`: how the running daemon is doing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from edge.config.file import find_config, load_config
from edge.control.local_door import ask
from edge.errors import MaskdError
from edge.payloads.reports import CameraStatus, Status
from edge.system.arguments import add_config

DESCRIPTION = (
    "Asks the running daemon about cameras, models, outbox and problems; the exit status is 1 if it names a problem, 3 "
    "if none is running."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the status as it is published, one JSON object")
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    return run_status(args.config, as_json=args.json)


def run_status(config_path: Path | None, *, as_json: bool = False) -> int:
    """Returns 1 where the daemon names a problem. Raises NotRunningError where none is running."""
    answer = ask(load_config(config_path or find_config()), "status")
    try:
        status = Status.model_validate_json(json.dumps(answer.get("status")))
    except ValidationError:
        raise MaskdError("the running maskd has another version than this command; restart it") from None
    if as_json:
        print(status.to_json().decode())
    else:
        print("\n".join(_lines(status)))
    return 1 if status.problems else 0


def _lines(status: Status) -> Iterator[str]:
    yield f"maskd {status.version} on {status.device}, running for {_duration(status.uptime_s)}"
    yield f"models    {status.models.detector}, {status.models.classifier}{_times(status)}"
    for name, camera in status.cameras.items():
        yield f"camera    {name}: {_camera(camera)}"
    outbox = status.outbox
    kept = f", {outbox.withheld} of them kept here by privacy: aggregate" if outbox.withheld else ""
    lost = f", {outbox.lost} lost since the outbox was created" if outbox.lost else ""
    yield f"outbox    {outbox.depth} events wait for the broker{kept}{lost}; the latest is number {outbox.latest_seq}"
    yield f"broker    {status.mqtt.acknowledged} events accepted, {status.mqtt.refused} refused"
    yield f"privacy   {status.privacy}"
    if status.temperature_c is not None:
        yield f"processor {status.temperature_c:.0f} °C"
    for problem in status.problems:
        yield f"problem   {problem}"
    if not status.problems:
        yield "problems  none"


def _camera(camera: CameraStatus) -> str:
    if not camera.enabled:
        return "off"
    if not camera.connected:
        return f"not connected: {camera.error}" if camera.error else "not connected"
    return f"{camera.fps:.1f} pictures a second, {camera.frames} judged, {camera.dropped} dropped"


def _times(status: Status) -> str:
    times = status.inference_ms
    if times.detect is None:
        return ""
    per_face = "" if times.classify is None else f", {times.classify:.1f} ms a face"
    return f"; {times.detect:.1f} ms a picture{per_face}"


def _duration(seconds: float) -> str:
    minutes = int(seconds) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {int(seconds) % 60} s"
