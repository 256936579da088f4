"""Which hosts a browser may have been told to ask: pure logic.

A name that an attacker's name server points at this device must not make a browser treat the page as the attacker's own
(DNS rebinding). An address in numbers cannot be pointed elsewhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit


def own_names(configured: Collection[str]) -> frozenset[str]:
    """In lower case."""
    host = socket.gethostname().lower().partition(".")[0]
    return frozenset({"localhost", host, f"{host}.local", socket.gethostname().lower(), *map(str.lower, configured)})


def is_own(host: str, names: Collection[str]) -> bool:
    """Whether a `Host` header names this device; with or without a port."""
    try:
        split = urlsplit(f"//{host}")
        name, _ = split.hostname, split.port
    except ValueError:
        return False
    if not name or split.username is not None or split.path or split.query or split.fragment:
        return False
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name.lower().rstrip(".") in names
    return True


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an `Origin` header is that of a page that was loaded from this `Host`."""
    scheme, separator, rest = origin.partition("://")
    return scheme in ("http", "https") and bool(separator) and rest.lower() == host.lower()
