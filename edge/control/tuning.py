"""Keeps what was tuned: in config.yaml, next to it where that cannot be written, or for this run alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from edge.config.camera_zones import CameraZones
from edge.config.settable import Settable
from edge.config.tunable import with_tuned
from edge.config.yaml_edit import Value
from edge.control.audit import By
from edge.control.changes import Changes
from edge.errors import MaskdError


def save_tuned(
    changes: Changes,
    values: Mapping[Settable, Value],
    zones: Mapping[str, Any],
    renamed: Mapping[str, Mapping[str, str]],
    keep: Literal["file", "run"] | None,
    by: By,
) -> str:
    """Puts them into effect, and returns where they are kept, as a sentence. `zones`: all zones of some cameras;
    `renamed`: their new names by the old ones. Raises MaskdError where they are not valid; then nothing was changed."""
    with changes.lock:
        changes.check(with_tuned(changes.config, values, zones))
        if keep == "run":
            changes.try_for_this_run(values, zones, by)
            return "In effect for this run only; the next restart of maskd forgets it."
        now = time.monotonic()
        changed: list[Settable] = list(values)
        problem: str | None = None
        changes.set_all(values, by)
        for camera, own in zones.items():
            setting = CameraZones(camera=camera)
            problem = _rename(changes, setting, renamed.get(camera, {}), now, by) or problem
            changes.set(setting, own, by)
            changed.append(setting)
        return _write(changes, changed, problem, now)


def _rename(changes: Changes, setting: CameraZones, renamed: Mapping[str, str], now: float, by: By) -> str | None:
    """A step of its own, so that the comments of a zone stay with it; returns why it could not be written."""
    before = setting.value_in(changes.config)
    names = {name: renamed.get(name, name) for name in before}
    if names == {name: name for name in before} or len(set(names.values())) < len(names):
        return None
    changes.set(setting, {names[name]: zone for name, zone in before.items()}, by)
    return _problem_of_writing(changes, [setting], now)


def _write(changes: Changes, changed: list[Settable], problem: str | None, now: float) -> str:
    problem = _problem_of_writing(changes, changed, now) or problem
    changes.keep(now)
    if unkept := next((why for each in changed if (why := changes.unkept(each))), None):
        return f"In effect, but gone after a restart: {unkept}."
    if problem is not None:
        return f"In effect and kept in overrides.json, also after a restart. Not in config.yaml: {problem}."
    return f"In effect and written to {changes.path}."


def _problem_of_writing(changes: Changes, settings: list[Settable], now: float) -> str | None:
    try:
        changes.write_all(settings, now)
    except MaskdError as error:
        return str(error)
    return None
