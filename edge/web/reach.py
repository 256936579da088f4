"""Where others find the page, so that what they are told of this device can lead to it."""

from __future__ import annotations

import ipaddress
import socket

from edge.config import Config
from edge.errors import MaskdError
from edge.web.logins import FILE_NAME, read_logins


def page_url(config: Config) -> str | None:
    """None where other machines cannot open the page: it is off, has no login, listens on this device only,
    or a reverse proxy shows it, whose address is unknown here."""
    web = config.web
    host = _reachable_name(web.host, web.names)
    if not web.enabled or web.base_path or host is None or not _can_be_used(config):
        return None
    return f"{'http' if web.tls is None else 'https'}://{host}:{web.port}/"


def _reachable_name(listens_on: str, names: list[str]) -> str | None:
    try:
        address = ipaddress.ip_address(listens_on)
    except ValueError:
        return None if listens_on == "localhost" else listens_on
    if address.is_loopback:
        return None
    if names:
        return names[0]
    if address.is_unspecified:
        return f"{socket.gethostname().partition('.')[0].lower()}.local"
    return f"[{address}]" if address.version == 6 else str(address)


def _can_be_used(config: Config) -> bool:
    try:
        return read_logins(config.storage.path / FILE_NAME).has_any
    except MaskdError:
        return False
