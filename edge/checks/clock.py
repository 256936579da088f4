"""Whether the clock can be believed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from edge.checks.row import Row

EARLIEST_YEAR = 2024
LATEST_YEAR = 2100
_REMEDY = "connect a time server: sudo timedatectl set-ntp true"
_TIME_ERROR = 5
"""What adjtimex(2) returns while the clock is not synchronized."""


def clock_row(now: float, *, synchronized: bool | None) -> Row:
    """`now`: seconds since 1970. A board without a battery starts in the past until it reaches a time server.
    `synchronized` None: the system does not tell whether one sets the clock."""
    moment = datetime.fromtimestamp(now, timezone.utc)
    detail = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    figures = {"synchronized": synchronized}
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        return Row("FAIL", "clock", detail, f"events would have this date, and TLS would fail; {_REMEDY}", figures)
    if synchronized is False:
        problem = f"it is not synchronized, so the times of events may be wrong; {_REMEDY}"
        return Row("warn", "clock", f"{detail}, not synchronized", problem, figures)
    return Row("ok", "clock", f"{detail}, synchronized" if synchronized else detail, None, figures)


def is_synchronized(root: Path, ask_kernel: Callable[[], bool | None]) -> bool | None:
    """Whether a time server sets the clock; None where the system does not tell. `root`: where `run` is."""
    # systemd-timesyncd makes the file; chrony and ntpd tell the kernel alone.
    return True if (root / "run/systemd/timesync/synchronized").exists() else ask_kernel()


class _Timex(ctypes.Structure):
    """The beginning of struct timex of adjtimex(2); the rest is more than long enough."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_char * 512),
    )


def kernel_is_synchronized() -> bool | None:
    """Whether the kernel's clock is synchronized; None if the kernel does not say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex()))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR
