"""`maskd events --audit`: who changed which setting."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.control.audit import FOLDER_NAME, kept_lines
from edge.errors import MaskdError
from edge.payloads.payload import parse_timestamp
from edge.system.printable import one_line

DEFAULT_COUNT = 50


def print_audit(storage: Path, *, begin: float | None, as_json: bool, count: int | None) -> None:
    """The last `count`, or all from `begin` on (seconds since 1970). Raises MaskdError."""
    try:
        lines = kept_lines(storage, begin or 0.0)
    except PermissionError:
        raise MaskdError(
            f"this user may not read {storage / FOLDER_NAME}; run: sudo -u maskd maskd events --audit"
        ) from None
    except OSError as error:
        raise MaskdError(
            f"{storage / FOLDER_NAME} cannot be read: {error.strerror or error}; check that disk"
        ) from None
    lines = lines[-(count or (DEFAULT_COUNT if begin is None else len(lines)) or 1) :]
    if as_json:
        for each in lines:
            print(json.dumps(each, ensure_ascii=False))
        return
    if not lines:
        print("no change of a setting is noted" + ("" if begin is None else " since then"))
    for each in lines:
        print(_row(each))


def _row(each: dict[str, Any]) -> str:
    try:
        moment = f"{datetime.fromtimestamp(parse_timestamp(each['time']), timezone.utc).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, TypeError):
        moment = str(each.get("time"))[:19]
    who = f" ({each['who']})" if each.get("who") else ""
    by = f"{each.get('door')}{who}"
    return one_line(
        f"{moment}  {by:<24}  {each.get('setting')}: {_value(each.get('old'))} -> {_value(each.get('new'))}"
    )


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
