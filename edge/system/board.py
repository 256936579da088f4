"""What the board tells of itself: temperature, memory, and what a Raspberry Pi's firmware holds against it."""

from __future__ import annotations

import re
import subprocess
from enum import IntFlag
from pathlib import Path

HOT_C = 85.0
"""From here on a Raspberry Pi slows its processor down."""
_VCGENCMD_TIMEOUT_S = 2.0


class Throttling(IntFlag):
    """The bits of `vcgencmd get_throttled`: what is the case now, and what was since the board started."""

    UNDER_VOLTAGE = 1 << 0
    FREQUENCY_CAPPED = 1 << 1
    THROTTLED = 1 << 2
    SOFT_TEMPERATURE_LIMIT = 1 << 3
    HAD_UNDER_VOLTAGE = 1 << 16
    HAD_FREQUENCY_CAPPED = 1 << 17
    HAD_THROTTLED = 1 << 18
    HAD_SOFT_TEMPERATURE_LIMIT = 1 << 19


def temperature_c(root: Path = Path("/")) -> float | None:
    """The processor's temperature in degrees Celsius; None where the board does not tell. `root`: where `sys` is."""
    try:
        return int(_text(root / "sys/class/thermal/thermal_zone0/temp") or "") / 1000
    except ValueError:
        return None


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that programs can have without swapping; None where the kernel does not tell. `root`: where `proc` is."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def throttling(root: Path = Path("/")) -> Throttling | None:
    """What slows a Raspberry Pi down, or did; None on another board. `root`: where `sys` is."""
    # The kernel's get_throttled comes last: since 2018 it warns in its log that it is on its way out.
    sources = (_vcgencmd(), _voltage_alarm(root), _kernel_throttled(root))
    return next((found for found in sources if found is not None), None)


def _vcgencmd() -> Throttling | None:
    try:
        done = subprocess.run(
            ["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=_VCGENCMD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]+)", done.stdout.strip())
    return Throttling(int(found[1], 16)) if found else None


def _voltage_alarm(root: Path) -> Throttling | None:
    for sensor in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if _text(sensor / "name") == "rpi_volt" and (alarm := _text(sensor / "in0_lcrit_alarm")) in ("0", "1"):
            return Throttling.UNDER_VOLTAGE if alarm == "1" else Throttling(0)
    return None


def _kernel_throttled(root: Path) -> Throttling | None:
    try:
        return Throttling(int(_text(root / "sys/devices/platform/soc/soc:firmware/get_throttled") or "", 16))
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
