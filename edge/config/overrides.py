"""Lays what commands set over what config.yaml says, until that very key is edited there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.config import Config
from edge.config.camera_zones import CameraZones, changeable
from edge.config.overrides_file import (
    FILE_NAME,
    Override,
    OverridesDamagedError,
    OverridesUnreadableError,
    read_overrides,
    set_damaged_aside,
    write_overrides,
)
from edge.config.settable import Settable
from edge.config.yaml_edit import AnyValue, as_yaml
from edge.errors import MaskdError
from edge.payloads.payload import timestamp

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileValue:
    """What config.yaml says of one setting."""

    value: AnyValue
    is_there: bool
    """False: the file has no such line, and this is the default."""


@dataclass(frozen=True, slots=True)
class Layers:
    """A configuration as it takes effect, and what it is made of."""

    effective: Config
    file_values: Mapping[Settable, FileValue]
    overrides: Mapping[Settable, Override]
    """Those of cameras that config.yaml does not have at present among them; they hold once it has them again."""
    dropped: Sequence[str]
    """A sentence for each that does not hold any longer."""


class Overrides:
    """The overrides of one device. save() is for one thread at a time; what else changes is replaced as a whole, under
    the lock of the thread that changes the configuration."""

    def __init__(self, folder: Path, config_path: Path | None) -> None:
        """`folder`: `storage.path`. `config_path`: the configuration's file; None: there is none."""
        self.path = folder / FILE_NAME
        self._config_name = "the default" if config_path is None else str(config_path)
        self._file_values: Mapping[Settable, FileValue] = {}
        self._overrides: Mapping[Settable, Override] = {}
        self._saved: Mapping[Settable, Override] = {}
        """What the file holds."""
        self._unreadable: str | None = None
        """Why the file was not read."""
        self._is_damaged = False
        self._is_aside = True
        self._unkept: str | None = None
        """Why the latest attempt to save failed."""
        self._saving = threading.Lock()

    def require_right_to_read(self) -> None:
        """For another user than the daemon's. Raises MaskdError where this one may not read the file."""
        try:
            with self.path.open("rb"):
                pass
        except PermissionError:
            raise MaskdError(
                f"what commands have set may not be read by this user in {self.path}, and is left out here; ask as "
                "maskd's user: sudo -u maskd maskd ..."
            ) from None
        except OSError:
            pass  # read() judges it

    def read(self) -> None:
        """Before anything else. A file that cannot be read is taken for one that kept privacy at aggregate and every
        camera off, for that may be what it said."""
        try:
            self._overrides = self._saved = {each.settable: each for each in read_overrides(self.path)}
        except (OverridesDamagedError, OverridesUnreadableError) as error:
            self._unreadable = str(error)
            self._is_damaged, self._is_aside = True, False
        if self._unreadable is not None:
            log.error("%s", self._damage())

    def over(self, config: Config) -> Layers:
        """What takes effect where `config` is what config.yaml says; nothing is changed yet."""
        now = timestamp(time.time())
        file_values = {each: _file_value(each, config) for each in changeable(config)}
        overrides = dict(self._overrides)
        if self._is_damaged:
            overrides |= _safe_guesses(file_values, now)
        dropped: list[str] = []
        effective = config
        for each, override in list(overrides.items()):
            if each not in file_values:
                continue
            if _was_edited(override, file_values[each]):
                dropped.append(f"{each} is as {self._config_name} says, since it was edited there")
                del overrides[each]
                continue
            try:
                effective = _laid_over(effective, override)
            except MaskdError as error:
                dropped.append(
                    f"{each} is as {self._config_name} says, with which a command's value is invalid: {error}"
                )
                del overrides[each]
        return Layers(effective, file_values, overrides, dropped)

    def take(self, layers: Layers) -> None:
        """These are in effect from now on."""
        for sentence in layers.dropped:
            log.warning("%s", sentence)
        self._file_values, self._overrides = layers.file_values, layers.overrides
        self._is_damaged = False

    def set(self, each: Settable, value: AnyValue) -> None:
        """A command has set this; to be kept by save()."""
        overrides = {**self._overrides}
        overrides.pop(each, None)
        in_file = self._file_values[each]
        if value != in_file.value:
            overrides[each] = Override(each, value, in_file.value, in_file.is_there, timestamp(time.time()))
        self._overrides = overrides

    def written(self, each: Settable, value: AnyValue) -> None:
        """config.yaml itself says so now."""
        self._file_values = {**self._file_values, each: FileValue(value, is_there=True)}
        self._overrides = {key: override for key, override in self._overrides.items() if key != each}

    def in_file(self, each: Settable) -> AnyValue:
        """What config.yaml, or the default, says; None as well for one that is not there."""
        known = self._file_values.get(each)
        return None if known is None else known.value

    def holds(self, each: Settable) -> bool:
        """Whether a command has set it to something else than config.yaml says."""
        return each in self._overrides

    @property
    def is_saved(self) -> bool:
        return self._saved == self._overrides

    def unkept(self, each: Settable) -> str | None:
        """Why what a command set would be gone after a restart; None: it is kept."""
        if self._saved.get(each) == self._overrides.get(each):
            return None
        return self._unkept or "commands arrive faster than they can be saved; this one is saved within a minute"

    def save(self) -> bool:
        """Keeps what is in effect; returns whether the disk took it. What it refuses is logged once."""
        with self._saving:
            overrides = self._overrides
            if overrides == self._saved and self._is_aside:
                return True
            before, self._unkept = self._unkept, self._why_unwritten(overrides)
            if self._unkept is not None:
                if before is None:
                    log.error("what commands set would be gone after a restart: %s", self._unkept)
                return False
            if before is not None:
                log.info("%s can be written again, and holds what commands set", self.path)
            self._saved = overrides
            return True

    def problems(self) -> Iterator[str]:
        """Sentences for the status; from any thread."""
        if self._unreadable is not None and any(each.is_guess for each in self._overrides.values()):
            yield self._damage()
        if self._unkept is not None:
            yield f"what commands set would be gone after a restart: {self._unkept}"
        yield from self.differences()

    def differences(self) -> Iterator[str]:
        """A sentence for each value in effect that config.yaml does not say; from any thread."""
        file_values = self._file_values
        for each, override in self._overrides.items():
            if each in file_values and isinstance(each, CameraZones):
                yield (
                    f"the zones of camera {each.camera} are as they were drawn at {override.since}, and not as "
                    f"{self._config_name} says; to undo it, change them there or on the page"
                )
            elif each in file_values:
                by = "maskd, to be safe, since overrides.json was damaged," if override.is_guess else "a command"
                yield (
                    f"{each} is {as_yaml(override.value)}, set by {by} at {override.since}, and {self._config_name} "
                    f"says {as_yaml(override.file_value)}; to undo it, change it there or set it by a command"
                )

    def _why_unwritten(self, overrides: Mapping[Settable, Override]) -> str | None:
        """Writes them; None where the disk has taken them."""
        try:
            self._set_aside()
            write_overrides(self.path, list(overrides.values()))
        except MaskdError as error:
            return str(error)
        return None

    def _damage(self) -> str:
        return (
            f"{self.path} cannot be read ({self._unreadable}), so what commands had set is unknown; to be safe, "
            "privacy is aggregate and every camera is off: set each by a command, or remove that file and restart maskd"
        )

    def _set_aside(self) -> None:
        if not self._is_aside:
            try:
                aside = set_damaged_aside(self.path)
            except OSError as error:
                raise MaskdError(f"{self.path} cannot be set aside: {error.strerror or error}; remove it") from None
            log.warning("%s is kept as %s", self.path, aside.name)
            self._is_aside = True


def is_aggregate(folder: Path, file_privacy: str | None) -> bool:
    """Whether `privacy: aggregate` is in effect, for a tool that reads no more of config.yaml than its value there;
    None: it has none. Where what commands have set cannot be read, it is."""
    file_value = FileValue(file_privacy or "events", is_there=file_privacy is not None)
    try:
        overrides = read_overrides(folder / FILE_NAME)
    except (OverridesDamagedError, OverridesUnreadableError):
        return True
    for override in overrides:
        if override.settable == Settable("privacy") and not _was_edited(override, file_value):
            return override.value == "aggregate"
    return file_value.value == "aggregate"


def _file_value(each: Settable, config: Config) -> FileValue:
    return FileValue(each.value_in(config), each.setting in each.section_in(config).model_fields_set)


def _laid_over(config: Config, override: Override) -> Config:
    """Raises MaskdError where it does not fit; what makes privacy stricter always does."""
    each = override.settable
    if each.setting == "privacy" and override.value == "aggregate":
        return config.model_copy(update={"privacy": override.value})
    if each.setting == "enabled" and override.value is False and each.camera is not None:
        camera = config.cameras[each.camera].model_copy(update={"enabled": False})
        return config.model_copy(update={"cameras": {**config.cameras, each.camera: camera}})
    return each.changed(config, override.value)


def _was_edited(override: Override, now: FileValue) -> bool:
    """Removing a line that said the same as the default does not count: privacy must not be relaxed by it."""
    return now.value != override.file_value or (now.is_there and not override.was_in_file)


def _safe_guesses(file_values: Mapping[Settable, FileValue], now: str) -> dict[Settable, Override]:
    strictest: dict[str, AnyValue] = {"privacy": "aggregate", "enabled": False}
    return {
        each: Override(each, strictest[each.setting], known.value, known.is_there, now, is_guess=True)
        for each, known in file_values.items()
        if each.setting in strictest and known.value != strictest[each.setting]
    }
