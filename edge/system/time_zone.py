"""The device's time zone by its name, for those who look on from another."""

from __future__ import annotations

import os
from datetime import timezone, tzinfo
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


def device_zone() -> tuple[tzinfo, str]:
    """The device's time zone, and its name."""
    name = time_zone_name()
    if name is not None:
        return ZoneInfo(name), name
    try:
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file, key="local time"), "local time"
    except (OSError, ValueError):
        return timezone.utc, "UTC"
