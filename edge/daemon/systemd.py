"""Notifications to systemd, sd_notify(3); does nothing without a listener."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""For a supervisor that does not read, once."""


class Notifier:
    """Sends states to the socket that systemd names in the environment. Nothing here raises: a daemon does not end
    because its supervisor is deaf."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watchdog_s = watchdog_s(environment)
        self._next_watchdog_at = 0.0
        self._patience_s = PATIENCE_S

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often watchdog() sends a sign: twice in the time that systemd waits for one; None where it waits for
        none."""
        return None if self._watchdog_s is None else self._watchdog_s / 2

    def ready(self) -> None:
        self._send("READY=1")

    def reloading(self) -> None:
        """ready() follows when the reload is done; Type=notify-reload wants the time as well."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def extend_timeout(self, seconds: float) -> None:
        """What comes next, of a start above all, may take so long, where the unit's limit is shorter."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def watchdog(self, now: float) -> None:
        """To be called as often as work is done, and from where it is: a sign from an idle timer proves nothing. `now`
        in monotonic seconds; sends no more than is needed."""
        interval_s = self.watchdog_interval_s
        if interval_s is not None and now >= self._next_watchdog_at:
            self._next_watchdog_at = now + interval_s
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(text.split()))

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # A leading @ means the zero byte of the abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
                client.settimeout(self._patience_s)
                client.sendto(state.encode(errors="replace"), address)
            self._patience_s = PATIENCE_S
        except (OSError, ValueError) as error:
            if isinstance(error, TimeoutError):
                self._patience_s = 0.0  # until it reads again
            log.debug("systemd could not be notified of %s: %s", state.partition("=")[0], error)


def watchdog_s(environment: Mapping[str, str]) -> float | None:
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID") or str(os.getpid())
    is_number = microseconds.isascii() and microseconds.isdigit()
    if not is_number or int(microseconds) == 0 or meant_for != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
