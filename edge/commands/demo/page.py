"""The page of the demo: a free port, and a key that signs in once."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from edge.config import WebSettings
from edge.web.logins import FILE_NAME, Logins, write_logins
from edge.web.passwords import new_token, token_hash

LOOPBACK = "127.0.0.1"
EVERY_NETWORK = "0.0.0.0"  # noqa: S104 - only where --lan asks for it
FAR_AWAY = ("192.0.2.1", 9)
"""An address that no one has (RFC 5737): nothing is sent there, but the system says from which address it would be."""


class DemoPage:
    """`is_open`: other machines on the network may look as well."""

    def __init__(self, *, is_open: bool) -> None:
        self._is_open = is_open
        self._host = EVERY_NETWORK if is_open else LOOPBACK
        self._port = _free_port(self._host)
        self._key = new_token()

    @property
    def settings(self) -> dict[str, Any]:
        """The section `web` of the configuration."""
        return {"host": self._host, "port": self._port}

    @property
    def address(self) -> str:
        """What to open. The key in it works once."""
        host = _own_address() if self._is_open else LOOPBACK
        return f"http://{host}:{self._port}/sign-in?key={self._key}"

    def prepare(self, storage: Path) -> None:
        """Before the daemon starts. Raises MaskdError."""
        write_logins(storage / FILE_NAME, Logins(key=token_hash(self._key)))


def _free_port(host: str) -> int:
    """The usual one, if it is free."""
    for port in (WebSettings().port, 0):
        try:
            with socket.create_server((host, port)) as server:
                free: int = server.getsockname()[1]
                return free
        except OSError:
            continue
    return WebSettings().port  # the daemon tells what is wrong with it


def _own_address() -> str:
    """That by which this machine reaches others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(FAR_AWAY)
        except OSError:
            return socket.gethostname()
        address: str = probe.getsockname()[0]
        return address
