"""The socket that the page listens on, which takes only so many connections."""

from __future__ import annotations

import socket
import weakref
from typing import Any

from edge.web.attempts import network_of

MOST_CONNECTIONS = 96
"""So that no number of clients leaves the cameras, the disk or the broker without a file descriptor."""
MOST_OF_ONE = 32
"""Connections of one address: one client cannot keep the others out."""
BACKLOG = 64


class Listener(socket.socket):
    """Closes what is one too many as soon as it is accepted, before anything is read from it."""

    def __init__(self, family: int) -> None:
        # asyncio sets TCP_NODELAY only where the protocol is named; without it, an answer waits up to 40 ms for the
        # browser to acknowledge its headers.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._accepted: weakref.WeakKeyDictionary[socket.socket, str] = weakref.WeakKeyDictionary()

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises BlockingIOError where there is none, or one too many."""
        client, address = super().accept()
        network = network_of(str(address[0]))
        open_now = [of for each, of in self._accepted.items() if each.fileno() != -1]
        if len(open_now) >= MOST_CONNECTIONS or open_now.count(network) >= MOST_OF_ONE:
            client.close()
            raise BlockingIOError
        self._accepted[client] = network
        return client, address


def listen(host: str, port: int) -> Listener:
    """Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )[0]
    listener = Listener(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
