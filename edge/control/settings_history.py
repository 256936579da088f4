"""Which settings of judging people changed, when, and by whom, so that two who tune at once see of each other."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.config import Config
from edge.config.tunable import tunables, zones_of
from edge.payloads.payload import Timestamp, timestamp

MOST_REVISIONS = 100
SOMEONE = "a command, or an edit of config.yaml"
_Key = tuple[str, str]
"""Camera and setting; `zones` is one of them."""


@dataclass(frozen=True, slots=True)
class ChangedSetting:
    camera: str
    setting: str
    """`zones`: all of them."""
    was: Any
    now: Any
    by: str
    time: Timestamp


@dataclass(frozen=True, slots=True)
class _Revision:
    id: str
    values: Mapping[_Key, Any]
    by: str
    time: Timestamp


class SettingsHistory:
    """In memory, of this run. From any thread."""

    def __init__(self, config: Callable[[], Config]) -> None:
        """`config`: what is in effect; replaced as a whole when it changes."""
        self._config = config
        self._lock = threading.Lock()
        self._looked_at: Config | None = None
        self._revisions: deque[_Revision] = deque(maxlen=MOST_REVISIONS)

    def revision(self, by: str = SOMEONE) -> str:
        """The name of what is in effect. Whatever changed since the last call was changed `by` this."""
        config = self._config()
        with self._lock:
            if config is not self._looked_at:
                self._looked_at = config
                values = _values(config)
                if not self._revisions or self._revisions[-1].values != values:
                    self._revisions.append(_Revision(_name(values), values, by, timestamp(time.time())))
            return self._revisions[-1].id

    def since(self, revision: str) -> list[ChangedSetting]:
        """What differs now from what was in effect then; everything in effect, if that is no longer known."""
        now_id = self.revision()
        with self._lock:
            revisions = list(self._revisions)
        known = [number for number, each in enumerate(revisions) if each.id == revision]
        if not known or revision == now_id:
            return []
        then, later = revisions[known[-1]], revisions[known[-1] + 1 :]
        now = revisions[-1]
        changes = []
        for key in sorted({*then.values, *now.values}):
            if then.values.get(key) == now.values.get(key):
                continue
            before = then
            latest = now
            for each in later:
                if each.values.get(key) != before.values.get(key):
                    latest = each
                before = each
            changes.append(ChangedSetting(*key, then.values.get(key), now.values.get(key), latest.by, latest.time))
        return changes


def _values(config: Config) -> dict[_Key, Any]:
    values = {(str(each.camera), each.setting): each.configured_in(config) for each in tunables(config)}
    return values | {(camera, "zones"): zones_of(config, camera) for camera in config.cameras}


def _name(values: Mapping[_Key, Any]) -> str:
    text = json.dumps([[*key, value] for key, value in sorted(values.items())], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
