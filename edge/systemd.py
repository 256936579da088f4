"""What systemd wants to hear from a service: sd_notify(3), silent where nobody listens."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Notifier:
    """Sends states to the socket that systemd names in the environment. Nothing here raises: a daemon does not end
    because its supervisor is deaf."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._environment = environment

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often to call watchdog(): half of what systemd waits for; None where it does not wait."""
        microseconds = self._environment.get("WATCHDOG_USEC", "")
        meant_for = self._environment.get("WATCHDOG_PID", str(os.getpid()))
        if not microseconds.isdigit() or int(microseconds) == 0 or meant_for != str(os.getpid()):
            return None
        return int(microseconds) / 2_000_000

    def ready(self) -> None:
        self._send("READY=1")

    def reloading(self) -> None:
        """ready() follows when the reload is done; Type=notify-reload wants the time as well."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Only from where the work is done: a ping from an idle timer proves nothing."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(text.split()))

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte of the abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
                # A supervisor that does not read must not stop the daemon.
                client.settimeout(1.0)
                client.sendto(state.encode(), address)
        except OSError as error:
            log.debug("systemd was not told %s: %s", state.partition("=")[0], error)
