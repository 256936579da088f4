"""`maskd replay`: the events of a recorded video, by today's settings and by changed ones."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.camera.video import frames
from edge.config import CameraSettings, Config
from edge.config.file import config_from_values, find_config, load_config
from edge.config.live import is_opened_alike
from edge.errors import UsageError
from edge.people.replay import Pair, compare, replay
from edge.people.transition import Transition
from edge.people.watched_camera import camera_rules
from edge.system.arguments import add_config, path
from edge.vision.build import build_vision

DESCRIPTION = (
    "Plays a video through the detector and shows which events it gives: by the settings in effect, and next to them "
    "by changed ones. Nothing is recorded or sent."
)
REPLAYABLE = (
    "detector.min_score",
    "detector.low_score",
    "detector.min_face_px",
    "detector.max_faces",
    "classifier.min_confidence",
    "classifier.recheck_s",
    "tracking.",
    "compliance.",
    "cameras.",
)
"""Settings after the detector, or beginnings of their names."""
TODAY, CHANGED = "today", "changed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=path, metavar="CLIP", help="a video file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="changes",
        help="a changed setting, such as compliance.min_votes=3; may be given several times",
    )
    parser.add_argument("--camera", metavar="NAME", help="whose settings and zones hold (default: the only camera)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per event")
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    return run_replay(args.clip, changes=args.changes, camera=args.camera, as_json=args.json, config_path=args.config)


def run_replay(
    clip: Path,
    *,
    changes: Sequence[str] = (),
    camera: str | None = None,
    as_json: bool = False,
    config_path: Path | None = None,
) -> int:
    """Raises UsageError for a setting that is wrong or cannot be replayed, MaskdError for a video that cannot be
    read."""
    config = load_config(config_path or find_config())
    name = _camera(config, camera)
    if name not in config.cameras:
        config = config.model_copy(update={"cameras": {name: CameraSettings(source="demo")}})
    changed = with_changes(config, changes)
    vision = build_vision(config)
    rules = {TODAY: camera_rules(config, name, vision.recommended)}
    if changes:
        rules[CHANGED] = camera_rules(changed, name, vision.recommended)
    happened = replay(frames(clip), vision, rules)
    if not changes:
        pairs = [Pair(each, each) for each in sorted(happened[TODAY], key=lambda each: each.at)]
    else:
        pairs = compare(happened[TODAY], happened[CHANGED])
    for line in _json_lines(pairs) if as_json else _table(pairs, bool(changes)):
        print(line)
    return 0


def _camera(config: Config, wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in config.cameras:
            known = ", ".join(config.cameras) or "none"
            raise UsageError(f"--camera {wanted}: the configuration has no such camera, only: {known}")
        return wanted
    if len(config.cameras) > 1:
        raise UsageError(f"say with --camera whose settings hold: {', '.join(config.cameras)}")
    return next(iter(config.cameras), "camera")


def with_changes(config: Config, changes: Sequence[str]) -> Config:
    """`changes`: each `NAME=VALUE`, the name as in config.yaml with dots. Raises UsageError."""
    values = config.model_dump()
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name.startswith(REPLAYABLE):
            raise UsageError(
                f"--set {change}: give NAME=VALUE with a setting that holds after the detector: "
                f"{', '.join(each + ('NAME' if each.endswith('.') else '') for each in REPLAYABLE)}"
            )
        *sections, key = name.split(".")
        section: Any = values
        for each in sections:
            section = section.get(each) if isinstance(section, dict) else None
        if not isinstance(section, dict) or key not in section:
            raise UsageError(f"--set {change}: there is no setting {name}; `maskd config table` lists all")
        section[key] = _value(text)
    changed = config_from_values(values)
    for name, settings in config.cameras.items():
        if not is_opened_alike(settings, changed.cameras[name]):
            raise UsageError(f"camera {name} would be opened differently, which a video cannot show; leave that out")
    return changed


def _value(text: str) -> Any:
    """As it would stand in config.yaml."""
    if text == "null":
        return None
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _json_lines(pairs: Sequence[Pair]) -> Iterator[str]:
    for pair in pairs:
        yield json.dumps({TODAY: _fields(pair.before), CHANGED: _fields(pair.after), "differs": pair.differs})


def _fields(transition: Transition | None) -> dict[str, Any] | None:
    if transition is None:
        return None
    return {
        "at_s": round(transition.at, 3),
        "person": int(transition.track),
        "type": transition.type,
        "status": transition.status,
        "previous": transition.previous,
        "compliant": transition.compliant,
        "confidence": round(transition.confidence, 4),
        "zones": list(transition.zones),
    }


def _table(pairs: Sequence[Pair], has_changes: bool) -> Iterator[str]:
    yield f"{TODAY:<54}{CHANGED}" if has_changes else TODAY
    for pair in pairs:
        mark = "*" if pair.differs else " "
        yield (f"{_text(pair.before):<52}{mark} {_text(pair.after)}" if has_changes else _text(pair.before)).rstrip()
    if not pairs:
        yield "no events"
    elif has_changes:
        different = sum(pair.differs for pair in pairs)
        yield f"{different} of {len(pairs)} events differ" if different else "the same events"


def _text(transition: Transition | None) -> str:
    if transition is None:
        return "-"
    minutes, seconds = divmod(transition.at, 60)
    return f"{int(minutes):02}:{seconds:05.2f}  person {transition.track:<3} {transition.type:<8} {transition.status}"
