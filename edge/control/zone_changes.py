"""Zones added, replaced, renamed and removed while maskd runs.

Each change takes effect at once, for the people in view as well, and is then written to config.yaml, of which every
other byte stays. Where it cannot be written, it is kept in overrides.json like any other setting, and the answer says
why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config.camera_zones import CameraZones, ZoneValues
from edge.control.audit import By
from edge.control.changes import Changes
from edge.errors import MaskdError

Zones = dict[str, ZoneValues]


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a change outlives a restart."""

    path: Path | None
    """config.yaml, or overrides.json; None: nowhere, it is gone with the next restart."""
    problem: str | None = None
    """Why it is not in config.yaml, in a sentence."""


_PAGE = By("page")


class ZoneChanges:
    """From any thread. Each method raises MaskdError, in one sentence, and changes nothing then."""

    def __init__(self, changes: Changes, by: By = _PAGE) -> None:
        """`by`: who changes them, for the log of changed settings."""
        self._changes = changes
        self._by = by

    def of(self, camera: str) -> Zones:
        """Those in effect, as config.yaml would have them; of two people who edit, the later one can tell by them that
        the earlier one was faster."""
        with self._changes.lock:
            return dict(self._setting(camera).value_in(self._changes.config))

    def set(self, camera: str, name: str, values: Mapping[str, Any], *, persist: bool = True) -> Kept:
        """Adds a zone, or replaces the one of this name. `values`: `corners`, and those of `compliant`, `dwell_s` and
        `ignore` that are not the default."""
        return self._change(camera, lambda zones: {**zones, name: dict(values)}, persist)

    def rename(self, camera: str, name: str, new: str, *, persist: bool = True) -> Kept:
        def renamed(zones: Zones) -> Zones:
            _require(zones, name, camera)
            if new in zones:
                raise MaskdError(f"camera {camera} has a zone {new} already; choose another name")
            return {new if each == name else each: values for each, values in zones.items()}

        return self._change(camera, renamed, persist)

    def remove(self, camera: str, name: str, *, persist: bool = True) -> Kept:
        def without(zones: Zones) -> Zones:
            _require(zones, name, camera)
            return {each: values for each, values in zones.items() if each != name}

        return self._change(camera, without, persist)

    def _change(self, camera: str, change: Callable[[Zones], Zones], persist: bool) -> Kept:
        """`persist` False: only overrides.json is to have it."""
        changes, setting, now = self._changes, self._setting(camera), time.monotonic()
        with changes.lock:
            changes.set(setting, change(dict(setting.value_in(changes.config))), self._by)
            problem = None
            try:
                path = changes.write(setting, now) if persist else changes.overrides_path
            except MaskdError as error:
                path, problem = changes.overrides_path, str(error)
            changes.keep(now)
            if unkept := changes.unkept(setting):
                return Kept(None, f"{problem}; and {unkept}" if problem else unkept)
            return Kept(path, problem)

    def _setting(self, camera: str) -> CameraZones:
        if camera not in self._changes.config.cameras:
            raise MaskdError(f"there is no camera {camera}, only: {', '.join(self._changes.config.cameras)}")
        return CameraZones(camera=camera)


def _require(zones: Zones, name: str, camera: str) -> None:
    if name not in zones:
        raise MaskdError(f"camera {camera} has no zone {name}; it has: {', '.join(zones) or 'none'}")
