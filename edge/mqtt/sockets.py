"""What a connection asks of its socket, past what paho does with it."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from typing import Any

OBJECTION_S = 0.5
"""For the broker to say what it has against our certificate."""


def tls_version(open_socket: Any) -> str | None:
    """Such as `TLSv1.3`; None: the connection is plain, or over."""
    return open_socket.version() if isinstance(open_socket, ssl.SSLSocket) else None


def await_objection(open_socket: Any) -> None:
    """In TLS 1.3 the broker looks at our certificate last. What it says then would be lost if our first packet met a
    connection that it has closed; a broker that is content sends a session ticket at that moment."""
    if tls_version(open_socket) == "TLSv1.3":
        select.select([open_socket], [], [], OBJECTION_S)


def close(open_socket: Any, *, discard: bool) -> None:
    """`discard`: the system throws away what it has not sent yet."""
    if open_socket is None:
        return
    if discard and isinstance(open_socket, socket.socket):
        # A linger time of 0 s resets the connection; else the system goes on sending after the close.
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    open_socket.close()
