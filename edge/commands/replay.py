"""`maskd replay`: the events of a recorded video, by today's settings and by changed ones."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.camera.video import frames
from edge.config import CameraSettings, Config
from edge.config.file import config_from_values, find_config, load_config
from edge.config.live import is_opened_alike
from edge.config.per_camera import for_camera
from edge.control.local_door import ask
from edge.errors import UsageError
from edge.payloads.payload import timestamp
from edge.people.observations import look_from_list
from edge.people.replay import Pair, compare, replay
from edge.people.replay_observed import replay_observed
from edge.people.transition import Transition
from edge.people.watched_camera import CameraRules, camera_rules
from edge.rules.occasions import Firing
from edge.rules.replay import firings
from edge.system.arguments import add_config, path
from edge.vision.build import build_vision
from edge.vision.thresholds import Recommendations

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
    "rules.",
)
"""Settings after the detector, or beginnings of their names."""
TODAY, CHANGED = "today", "changed"
SHOWN = 5
"""Times at which a rule acts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=path, nargs="?", metavar="CLIP", help="a video file")
    parser.add_argument(
        "--last",
        metavar="TIME",
        help="what the running daemon observed lately instead, such as 90s or 10m; the answer is approximate where it "
        "did not classify a face",
    )
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
    config = load_config(args.config or find_config())
    if (args.clip is None) == (args.last is None):
        raise UsageError("name a video file, or say --last TIME for what the running daemon observed")
    if args.clip is not None:
        view = replay_clip(args.clip, config, args.changes, args.camera)
    else:
        view = replay_last(seconds_of(args.last), config, args.changes, args.camera)
    for line in _json_lines(view) if args.json else _table(view):
        print(line)
    return 0


@dataclass(frozen=True, slots=True)
class View:
    """What is shown."""

    pairs: Sequence[Pair]
    has_changes: bool
    wall_offset: float | None
    """Seconds from the times of the events to seconds since 1970; None: they are positions in a video."""
    note: str = ""
    acted: Mapping[str, Mapping[str, Sequence[Firing]]] = field(default_factory=dict)
    """When each rule would have acted, by today's settings and by the changed ones."""


def replay_clip(clip: Path, config: Config, changes: Sequence[str], camera: str | None) -> View:
    """Raises UsageError for a setting that is wrong or cannot be replayed, MaskdError for a video that cannot be
    read."""
    name = _camera(config, camera)
    if name not in config.cameras:
        config = config.model_copy(update={"cameras": {name: CameraSettings(source="demo")}})
    vision = build_vision(config)
    happened = replay(frames(clip), vision, _rules(config, changes, name, vision.recommended))
    # A video has no time of the day: rules act as if it were shown now.
    acted = _acted(config, changes, name, happened, time.time())
    return View(_pairs(happened), bool(changes), None, acted=acted)


def replay_last(seconds: float, config: Config, changes: Sequence[str], camera: str | None) -> View:
    """Asks the running daemon, whose settings hold. Raises MaskdError where none is running or it keeps nothing."""
    name = _camera(config, camera)
    answer = ask(config, "observations", camera=name, seconds=seconds)
    running = config_from_values(answer["settings"])
    looks = [look_from_list(each) for each in answer["looks"]]
    recommended = build_vision(config).recommended
    replayed = replay_observed(looks, answer["labels"], _rules(running, changes, name, recommended))
    span = f"{looks[-1].at - looks[0].at:.0f} s with {len(looks)} pictures" if looks else "no pictures"
    guessed = sum(each.approximate for each in replayed.values())
    judged = sum(each.judged for each in replayed.values())
    happened = {which: each.transitions for which, each in replayed.items()}
    note = f"from {span}; approximate: {guessed} of {judged} judgements are those of a picture before or after"
    return View(
        _pairs(happened),
        bool(changes),
        answer["wall_offset"],
        note if guessed else f"from {span}",
        _acted(running, changes, name, happened, answer["wall_offset"]),
    )


def seconds_of(text: str) -> float:
    """Of a time such as 90s or 10m. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([sm])", text)
    if match is None:
        raise UsageError(f"--last {text}: give a time such as 90s or 10m")
    return float(match[1]) * (60 if match[2] == "m" else 1)


def _rules(config: Config, changes: Sequence[str], camera: str, recommended: Recommendations) -> dict[str, CameraRules]:
    rules = {TODAY: camera_rules(config, camera, recommended)}
    if changes:
        rules[CHANGED] = camera_rules(with_changes(config, changes), camera, recommended)
    return rules


def _acted(
    config: Config,
    changes: Sequence[str],
    camera: str,
    happened: Mapping[str, Sequence[Transition]],
    wall_offset: float,
) -> dict[str, dict[str, list[Firing]]]:
    acted = {}
    for which, transitions in happened.items():
        settings = with_changes(config, changes) if which == CHANGED else config
        lost_after_s = for_camera(settings, camera).tracking.lost_after_s
        acted[which] = firings(settings.rules, transitions, wall_offset=wall_offset, lost_after_s=lost_after_s)
    return acted


def _pairs(happened: Mapping[str, Sequence[Transition]]) -> list[Pair]:
    if CHANGED in happened:
        return compare(happened[TODAY], happened[CHANGED])
    return [Pair(each, each) for each in sorted(happened[TODAY], key=lambda each: each.at)]


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


def _json_lines(view: View) -> Iterator[str]:
    for pair in view.pairs:
        yield json.dumps(
            {
                TODAY: _fields(pair.before, view.wall_offset),
                CHANGED: _fields(pair.after, view.wall_offset),
                "differs": pair.differs,
            }
        )
    for rule in _rule_names(view):
        times = {
            which: [_time(firing.at, view.wall_offset) for firing in acted.get(rule, ())]
            for which, acted in view.acted.items()
        }
        yield json.dumps({"rule": rule, TODAY: times[TODAY], CHANGED: times.get(CHANGED, times[TODAY])})


def _fields(transition: Transition | None, wall_offset: float | None) -> dict[str, Any] | None:
    if transition is None:
        return None
    return {
        "at_s" if wall_offset is None else "time": _time(transition.at, wall_offset),
        "person": int(transition.track),
        "type": transition.type,
        "status": transition.status,
        "previous": transition.previous,
        "compliant": transition.compliant,
        "confidence": round(transition.confidence, 4),
        "zones": list(transition.zones),
    }


def _time(at: float, wall_offset: float | None) -> float | str:
    return round(at, 3) if wall_offset is None else timestamp(at + wall_offset)


def _rule_names(view: View) -> list[str]:
    return list(dict.fromkeys(name for acted in view.acted.values() for name in acted))


def _table(view: View) -> Iterator[str]:
    yield f"{TODAY:<54}{CHANGED}" if view.has_changes else TODAY
    for pair in view.pairs:
        before, after = _text(pair.before, view.wall_offset), _text(pair.after, view.wall_offset)
        mark = "*" if pair.differs else " "
        yield (f"{before:<52}{mark} {after}" if view.has_changes else before).rstrip()
    if not view.pairs:
        yield "no events"
    elif view.has_changes:
        different = sum(pair.differs for pair in view.pairs)
        yield f"{different} of {len(view.pairs)} events differ" if different else "the same events"
    for rule in _rule_names(view):
        told = [_acts(acted.get(rule, ()), view.wall_offset) for acted in view.acted.values()]
        yield f"rule {rule}: {told[0]}" + (f"; changed: {told[1]}" if view.has_changes else "")
    if view.note:
        yield view.note


def _acts(acted: Sequence[Firing], wall_offset: float | None) -> str:
    if not acted:
        return "does not act"
    times = ", ".join(_clock(firing.at, wall_offset) for firing in acted[:SHOWN])
    more = ", ..." if len(acted) > SHOWN else ""
    return f"acts {'once' if len(acted) == 1 else f'{len(acted)} times'} ({times}{more})"


def _clock(at: float, wall_offset: float | None) -> str:
    if wall_offset is not None:
        return time.strftime("%H:%M:%S", time.localtime(at + wall_offset))
    minutes, seconds = divmod(at, 60)
    return f"{int(minutes):02}:{seconds:05.2f}"


def _text(transition: Transition | None, wall_offset: float | None) -> str:
    if transition is None:
        return "-"
    when = _clock(transition.at, wall_offset)
    return f"{when}  person {transition.track:<3} {transition.type:<8} {transition.status}"
