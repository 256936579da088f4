"""overrides.json: what commands set, kept in the state folder through restarts and power cuts."""

from __future__ import annotations

import errno
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.config import Name
from edge.config.camera_zones import SETTING, CameraZones
from edge.config.settable import Settable, camera_settings, device_settings
from edge.config.yaml_edit import AnyValue
from edge.errors import MaskdError
from edge.payloads.payload import Timestamp
from edge.system.atomic_file import write_own_file

FILE_NAME = "overrides.json"
"""Below `storage.path`."""
LAYOUT = 1
LONGEST_BYTES = 10_000_000
"""Far more than any number of cameras needs."""


class OverridesUnreadableError(MaskdError):
    """The file is there, and this user may not read it, or the disk does not give it back."""


class OverridesDamagedError(MaskdError):
    """The file does not hold what maskd wrote."""


@dataclass(frozen=True, slots=True)
class Override:
    """A value that holds in place of what config.yaml says."""

    settable: Settable
    value: AnyValue
    file_value: AnyValue
    """What config.yaml, or the default, said as it was set."""
    was_in_file: bool
    """Whether it was a line of config.yaml then, or the default."""
    since: Timestamp
    is_guess: bool = False
    """Set by maskd itself to be safe, since the file was damaged."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    setting: str
    camera: Name | None
    value: bool | int | float | str | dict[str, Any] | None
    file_value: bool | int | float | str | dict[str, Any] | None
    was_in_file: bool
    since: Timestamp
    is_guess: bool


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    layout: Annotated[int, Field(ge=LAYOUT, le=LAYOUT)]
    crc: int
    overrides: list[_Row]


def read_overrides(path: Path) -> list[Override]:
    """Empty where there is no file. Raises OverridesUnreadableError and OverridesDamagedError, whose texts say why."""
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise OverridesUnreadableError(error.strerror or str(error)) from None
    try:
        content = _Content.model_validate_json(data)
    except ValidationError:
        raise OverridesDamagedError("it was changed by something other than maskd") from None
    if content.crc != _checksum([row.model_dump() for row in content.overrides]):
        raise OverridesDamagedError("it was changed by something other than maskd")
    overrides = [_override(row) for row in content.overrides]
    if not all(_is_settable(each.settable) for each in overrides):
        raise OverridesDamagedError("it was changed by something other than maskd")
    return overrides


def write_overrides(path: Path, overrides: Sequence[Override]) -> None:
    """The whole file or nothing, and on the disk when this returns. Raises MaskdError with reason and remedy."""
    rows = [_row(each) for each in overrides]
    data = json.dumps({"layout": LAYOUT, "crc": _checksum(rows), "overrides": rows}, indent=1) + "\n"
    try:
        write_own_file(path, data.encode(), mode=0o600)
    except OSError as error:
        raise MaskdError(f"{path} cannot be written: {error.strerror or error}; {_remedy(error, path)}") from None


def set_damaged_aside(path: Path) -> Path:
    """Where the file is kept from now on. Raises OSError."""
    aside = path.with_name(path.name + ".damaged")
    path.replace(aside)
    return aside


def _override(row: _Row) -> Override:
    settable = Settable(row.setting, row.camera)
    if row.setting == SETTING and row.camera is not None:
        settable = CameraZones(camera=row.camera)
    return Override(settable, row.value, row.file_value, row.was_in_file, row.since, row.is_guess)


def _row(override: Override) -> dict[str, Any]:
    return {
        "setting": override.settable.setting,
        "camera": override.settable.camera,
        "value": override.value,
        "file_value": override.file_value,
        "was_in_file": override.was_in_file,
        "since": override.since,
        "is_guess": override.is_guess,
    }


def _checksum(rows: Sequence[dict[str, Any]]) -> int:
    return zlib.crc32(json.dumps(rows, sort_keys=True).encode())


def _is_settable(each: Settable) -> bool:
    return isinstance(each, CameraZones) or each.setting in (
        device_settings() if each.camera is None else camera_settings()
    )


def _remedy(error: OSError, path: Path) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "free some space on its disk"
        case errno.EROFS:
            return "its disk is mounted read-only, perhaps because of disk errors; see `dmesg`"
        case errno.EACCES | errno.EPERM:
            return f"let maskd's user own the folder: chown maskd: {path.parent}"
    return "check the disk"
