"""What is in effect, and the one door by which something else comes into effect."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.config.live import settings_awaiting_restart, without_awaiting_restart
from edge.config.overrides import Layers, Overrides
from edge.config.settable import Settable
from edge.config.tunable import with_tuned
from edge.config.yaml_edit import AnyValue, Value
from edge.control.audit import By
from edge.control.reload import ReloadNews, read_again
from edge.control.run_values import RunValues
from edge.errors import MaskdError, UsageError
from edge.mqtt.login import commands_enabled
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.system.rate_limit import PerMinute

WRITES_PER_MINUTE = 20
"""Times that config.yaml is written, so that remote commands cannot wear out an SD card."""
SAVES_PER_MINUTE = 60
"""Times that the overrides are saved; what comes faster is saved together."""
SAVE_RETRY_S = 5.0
"""After the disk has refused."""

_log = logging.getLogger(__name__)


class Changes(Part):
    """Validates a change, applies it to every part, and keeps it: for commands and for a reload.

    A command's value is kept in `overrides.json`, or written to config.yaml where that is asked for.
    """

    doing = "the disk that takes what commands have set"

    def __init__(self, config: Config, path: Path | None, overrides: Overrides | None = None) -> None:
        """`config` is what the file at `path` says; None: there is no file. Raises UsageError where no camera is left
        and none can be switched on."""
        self.on_change: Callable[[Config], None] = lambda _config: None
        """Puts a configuration into effect, in the caller's thread; may raise MaskdError."""
        self.check: Callable[[Config], None] = lambda _config: None
        """Raises MaskdError where the models do not give what a configuration asks for; nothing of it takes effect."""
        self.on_changed: Callable[[Config, Config, By], None] = lambda _before, _after, _by: None
        """Called once another configuration is in effect, with the one before it; costs no wait for a disk."""
        self.on_reload: Callable[[], None] = lambda: None
        """Called after a reload: what the file says may have changed though what is in effect has not."""
        self.lock = threading.RLock()
        """Hold it from a look at what is in effect until a change that depends on it is made."""
        self._path = path
        if overrides is None:
            overrides = Overrides(config.storage.path, path)
            overrides.read()
        self._overrides = overrides
        layers = overrides.over(config)
        _require_a_camera(layers)
        overrides.take(layers)
        self._config = self._started_with = layers.effective
        self._for_this_run = RunValues()
        self._is_over = False
        self._news = ReloadNews()
        self._writes = PerMinute(WRITES_PER_MINUTE)
        self._saves = PerMinute(SAVES_PER_MINUTE)
        self._saving = threading.Lock()
        self._next_save_at = 0.0

    @property
    def config(self) -> Config:
        """What is in effect; replaced as a whole."""
        return self._config

    @property
    def overrides_path(self) -> Path:
        """Where it is kept what config.yaml does not say."""
        return self._overrides.path

    def start(self) -> None:
        """After the store: the folder is then known to be ours."""
        self._overrides.save()

    def end(self) -> None:
        """From now on nothing is put into effect any more."""
        self._is_over = True

    def stop(self, _deadline: Deadline) -> None:
        self._overrides.save()

    def tick(self, now: float) -> None:
        self.keep(now)

    def status(self) -> PartStatus:
        return PartStatus(problems=(*self._news.problems, *self._overrides.problems()))

    @property
    def notes(self) -> Sequence[str]:
        """What the latest reload has left for a person, for a line that is short of room."""
        return self._news.brief

    def apply_all(self, config: Config, by: By) -> list[str]:
        """Puts a validated configuration into effect, from any thread, without losing the people in view.

        Returns the names of the settings that wait for a restart. A camera that is closed takes up to 2 s.
        """
        with self.lock:
            if not self._is_over:
                effective = without_awaiting_restart(self._started_with, config)
                self.check(effective)
                before, self._config = self._config, effective
                try:
                    self.on_change(effective)
                except MaskdError:
                    self._config = before
                    raise
                self.on_changed(before, effective, by)
        return settings_awaiting_restart(self._started_with, config)

    def reload(self) -> None:
        """Reads the file again. A mistake in it changes nothing and is logged, and told in the status."""
        try:
            with self.lock:
                layers = self._overrides.over(read_again(self._path, self._config))
                _require_a_camera(layers)
                self._overrides.take(layers)
                tried = self._for_this_run.rebased(layers.effective)
                waiting = self.apply_all(tried.over(layers.effective), By("file", str(self._path)))
                self._for_this_run = tried
        except MaskdError as error:
            self._news.refused(self._path, error)
            return
        assert self._path is not None
        self._news.taken_over(self._path, waiting)
        self._overrides.save()
        self.on_reload()

    def set(self, each: Settable, value: AnyValue, by: By) -> bool:
        """Puts one value into effect, as if config.yaml had it; returns whether it is another one than before. keep()
        saves it. Raises MaskdError where it is not valid."""
        with self.lock:
            before = self._config
            self._set(each.changed(before, value), [each], by)
            return self._config != before

    def set_all(self, values: Mapping[Settable, Value], by: By) -> None:
        """As set(), for several settings of judging people: all of them or none."""
        with self.lock:
            self._set(with_tuned(self._config, values, {}), list(values), by)

    def _set(self, after: Config, settings: Sequence[Settable], by: By) -> None:
        if after != self._config:
            self.apply_all(after, by)
        for each in settings:
            self._overrides.set(each, each.value_in(after))
        self._for_this_run = self._for_this_run.without(*settings)

    def try_for_this_run(self, values: Mapping[Settable, Value], zones: Mapping[str, Any], by: By) -> None:
        """Puts values, and all zones of some cameras, into effect until the next restart. Raises MaskdError where they
        are not valid."""
        with self.lock:
            tried = self._for_this_run.with_more(values, zones, self._config)
            self.apply_all(tried.over(self._config), by)
            self._for_this_run = tried

    def end_this_run(self, by: By) -> None:
        """What was put into effect for this run alone is again as it is kept."""
        with self.lock:
            self.apply_all(self._for_this_run.undone(self._config), by)
            self._for_this_run = RunValues()

    @property
    def for_this_run(self) -> RunValues:
        """What the next restart forgets."""
        return self._for_this_run

    @property
    def path(self) -> Path | None:
        """config.yaml; None: there is none."""
        return self._path

    def is_overridden(self, each: Settable) -> bool:
        """Whether overrides.json says it."""
        return self._overrides.holds(each)

    def write(self, each: Settable, now: float) -> Path:
        """Writes the value in effect to config.yaml, and returns that file. Raises MaskdError where it cannot be."""
        return self.write_all([each], now)

    def write_all(self, settings: Sequence[Settable], now: float) -> Path:
        """As write(), for several settings, in order; after one that cannot be written, none is."""
        with self.lock:
            if self._path is None:
                raise MaskdError("there is no config.yaml to write; start maskd with one (-c FILE)")
            if not self._writes.admits(now):
                raise MaskdError(f"{self._path} is written at most {WRITES_PER_MINUTE} times a minute; ask again later")
            for each in settings:
                value = each.value_in(self._config)
                each.write_to(self._path, value)
                self._overrides.written(each, value)
            return self._path

    def keep(self, now: float) -> None:
        """From any thread: saves what was set, so that it outlives a restart. What the disk refuses, and what comes too
        fast, is saved with a later call."""
        with self._saving:
            if not self._overrides.is_saved and now >= self._next_save_at and self._saves.admits(now):
                self._next_save_at = 0.0 if self._overrides.save() else now + SAVE_RETRY_S

    def unkept(self, each: Settable) -> str | None:
        """Why what was set would be gone after a restart; None: it is kept."""
        return self._overrides.unkept(each)

    def is_persisted(self, each: Settable) -> bool:
        """Whether config.yaml, or the default, says what is in effect."""
        return self._overrides.in_file(each) == each.value_in(self._config)

    def may_switch_on(self, cameras: Sequence[str], config: Config) -> bool:
        """Whether one of these, which are off, may be on later: by a command, or since it is only off by one."""
        was_on = any(self._overrides.in_file(Settable("enabled", name)) for name in cameras)
        return was_on or (bool(cameras) and commands_enabled(config.mqtt))


def require_a_camera(config: Config, *, commands: bool) -> None:
    """Raises UsageError if nothing is watched and nothing could change that; `commands`: whether they are on."""
    if not commands and not any(camera.enabled for camera in config.cameras.values()):
        raise UsageError(
            "every camera in the configuration has `enabled: false`, and mqtt.commands is off, so none can be "
            "switched on; enable a camera, or set mqtt.commands to true"
        )


def _require_a_camera(layers: Layers) -> None:
    """Raises UsageError where config.yaml leaves no camera; one that a command switched off waits for another."""
    is_switched_off = any(
        known.value is True for each, known in layers.file_values.items() if each.setting == "enabled"
    )
    require_a_camera(layers.effective, commands=is_switched_off or commands_enabled(layers.effective.mqtt))
