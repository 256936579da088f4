"""What the board tells of itself."""

from __future__ import annotations

from pathlib import Path

_THERMAL_ZONE = Path("/sys/class/thermal/thermal_zone0/temp")


def temperature_c() -> float | None:
    """The processor's temperature in degrees Celsius; None where the board does not tell."""
    try:
        return int(_THERMAL_ZONE.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None
