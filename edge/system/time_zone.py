"""The device's time zone by its name, for those who look on from another."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo

LOCALTIME = Path("/etc/localtime")


def time_zone_name() -> str | None:
    """Such as Europe/Berlin; None where the system does not say."""
    _, found, linked = str(LOCALTIME.resolve()).partition("/zoneinfo/")
    for name in (os.environ.get("TZ", "").removeprefix(":"), linked if found else ""):
        try:
            if name:
                return ZoneInfo(name).key
        except (ValueError, OSError, KeyError):
            continue
    return None
