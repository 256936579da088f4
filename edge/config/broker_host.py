"""What `mqtt.host` may say: a host name or an address, and nothing around it."""

from __future__ import annotations

import ipaddress
import re

_PORTS = {"mqtt": 1883, "tcp": 1883, "mqtts": 8883, "ssl": 8883, "tls": 8883, "ssl+mqtt": 8883}
_SECURE = frozenset(scheme for scheme, port in _PORTS.items() if port == 8883)


def problem_of_host(text: str) -> str | None:
    """What to write instead, in one sentence that repeats no login; None: nothing is wrong with it."""
    scheme, separator, rest = text.strip().rpartition("://")
    scheme = scheme.lower()
    login, _, rest = rest.rpartition("@")
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host, port = _split(place)
    if not host:
        return "it has no host; write only the broker's host name or address"
    if scheme and scheme not in _PORTS:
        known = "WebSockets are not supported" if scheme in ("ws", "wss") else f"{scheme}:// is not MQTT"
        return f"{known}; write only the host name, {_line('host', host)}, and the broker's TCP port as mqtt.port"
    found = [
        what
        for what, is_there in (
            (f"{scheme}://", separator),
            ("a login", login),
            (f"the port {port}", port),
            ("a path", rest != place),
            ("brackets", place.startswith("[")),
            ("a space", text != text.strip()),
        )
        if is_there
    ]
    if found:
        lines = [_line("host", host)]
        if port or scheme in _SECURE:
            lines.append(f"port: {port or _PORTS[scheme]}")
        if scheme in _SECURE:
            lines.append("tls: {}")
        if login:
            lines.append("username: ... and password_file: ...")
        return f"it must be only the host's name, without {_joined(found)}; write {_joined(lines)}"
    if re.search(r"[\s\x00-\x1f\x7f]", host):
        return "a host name cannot contain a space; remove it"
    if ":" in host and not _is_ipv6(host):
        return "it is neither a host name nor an IPv6 address; write the port, if it is one, as mqtt.port"
    return None


def _split(place: str) -> tuple[str, str]:
    """Host and port of host:1883, [::1]:1883, ::1 and so on; what is not given is empty."""
    if match := re.fullmatch(r"\[([^\]]*)\]?(?::(\d*))?", place):
        return match[1], match[2] or ""
    if match := re.fullmatch(r"([^:]*):(\d*)", place):
        return match[1], match[2] or "1883"
    return place, ""


def _line(key: str, host: str) -> str:
    return f'{key}: "{host}"' if ":" in host else f"{key}: {host}"


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
