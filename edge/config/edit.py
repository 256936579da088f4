"""Writes one value into config.yaml, in place: every other byte of the file stays as it was."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from edge.config.file import decode_config, parse_config, read_config
from edge.config.yaml_edit import AnyValue, CannotEdit, as_yaml, edit_yaml
from edge.config.yaml_source import read_yaml
from edge.errors import MaskdError
from edge.system.atomic_file import replace_file

_BOM = "\ufeff".encode()


def write_setting(path: Path, location: tuple[str, ...], value: AnyValue) -> None:
    """Sets `location`, such as ("cameras", "door", "min_score"), in the configuration file as it is now. Raises
    MaskdError as write_edit does."""
    write_edit(path, location, lambda text: edit_yaml(text, location, value), f"set it to {as_yaml(value)}")


def write_edit(path: Path, location: tuple[str, ...], edit: Callable[[str], str], by_hand: str) -> None:
    """Changes the configuration file as it is now; `edit` makes the new text of the old one, at `location`, or raises
    CannotEdit. `by_hand`: what a person would have to do instead.

    Raises MaskdError, with the file untouched, where it is invalid, where the value finds no place in it, or where it
    cannot be written.
    """
    data = read_config(path)
    text = decode_config(data, path)
    try:
        parse_config(text, path)
    except MaskdError as error:
        raise MaskdError(f"nothing was written, since the file is not valid now: {_first_line(error)}") from None
    try:
        edited = edit(text)
    except CannotEdit:
        line = read_yaml(text).place_of(location).line
        raise MaskdError(
            f"{path}:{line}: {'.'.join(location)} cannot be written here without changing more than this value; "
            f"{by_hand} by hand"
        ) from None
    if edited == text:
        return
    try:
        parse_config(edited, path)
    except MaskdError as error:
        raise MaskdError(f"nothing was written, since the file would not be valid: {_first_line(error)}") from None
    try:
        replace_file(path, (_BOM if data.startswith(_BOM) else b"") + edited.encode())
    except OSError as error:
        raise MaskdError(_why_unwritten(error, path.resolve())) from None


def _first_line(error: MaskdError) -> str:
    return str(error).splitlines()[0]


def _why_unwritten(error: OSError, target: Path) -> str:
    match error.errno:
        case errno.EROFS:
            remedy = (
                "systemd keeps /etc read-only for a service: `systemctl edit maskd` and add, below [Service], "
                f"ReadWritePaths={target.parent}"
            )
        case errno.EACCES | errno.EPERM:
            remedy = f"let maskd's user own the file and its folder: chown maskd: {target.parent} {target}"
        case errno.ENOSPC | errno.EDQUOT:
            remedy = "free some space on its disk"
        case _:
            remedy = "check the disk"
    return f"{target} cannot be written: {error.strerror or error}; {remedy}"
