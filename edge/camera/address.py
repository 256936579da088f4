"""Addresses of network cameras and files, checked by their text; what is wrong is said with the right spelling.

No sentence here repeats a login.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from urllib.parse import quote, unquote

from edge.errors import UsageError

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "rtp", "udp", "tcp", "srt", "mmsh", "mmst")
"""What FFmpeg reads live pictures from; the likely ones first."""
_LIKELY = STREAM_SCHEMES[:6]
"""Their addresses need a host; the others may listen on a port of this device."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_NEVER_IN_ADDRESS = re.compile(r"[\s\x00-\x1f\x7f]")
_ENCODED = {"#": "%23", "/": "%2F", "?": "%3F", "@": "%40", ":": "%3A"}
_ELSEWHERE = {
    "mqtt.host": ("mqtt", "mqtts", "ws", "wss"),
    "onvif": ("onvif",),
    "device": ("v4l2", "v4l", "video4linux", "video4linux2", "usb"),
    "share": ("ftp", "ftps", "sftp", "scp", "smb", "cifs", "nfs", "afp", "dav", "davs", "webdav"),
}
_INSTEAD = {
    "mqtt.host": (
        "it is a broker's address, which belongs in mqtt.host; a camera's address begins with rtsp:// or http://"
    ),
    "onvif": "ONVIF is not supported; write the RTSP address from the camera's manual or app",
    "device": "for a camera on this device, write its path, such as /dev/video0, or auto for the first that works",
    "share": "files are read from this device only; mount the share, or copy the file, and write its path",
}


def checked_address(text: str) -> str | None:
    """The address of a stream, its scheme in small letters; None: the text is not an address (it has no `scheme://`).

    Raises UsageError where FFmpeg would not take it, or would take something else from it than its owner meant.
    """
    if (match := _ADDRESS.fullmatch(text)) is None:
        return None
    scheme, rest = match[1].lower(), match[2]
    if scheme not in STREAM_SCHEMES:
        raise UsageError(_about_scheme(scheme))
    if problem := _problem_of(scheme, rest):
        raise UsageError(problem)
    # No address holds a space, and what was meant by one is plain.
    return f"{scheme}://{re.sub(_NEVER_IN_ADDRESS, lambda found: quote(found[0]), rest)}"


def file_of_address(text: str) -> str:
    """The path in `file:///home/me/a%20b.mp4`; `~` in it is left as it is. Raises UsageError."""
    rest = text[len("file:") :]
    if rest.startswith("//localhost/"):
        rest = rest.removeprefix("//localhost")
    elif rest.startswith("//~"):
        rest = rest.removeprefix("//")
    if not re.match(r"///|/(?!/)|~", rest) or not rest.strip("/"):
        raise UsageError(
            "file:// needs an absolute path, with a third slash: file:///home/me/visit.mp4; or write only the path"
        )
    return unquote(re.sub(r"^//+", "/", rest))


def near_address(text: str) -> str | None:
    """What is wrong with a text that looks like an address, yet has no `scheme://`; None: it does not look like one."""
    if match := re.match(r"(rtsps?|https?|rtmps?)(?:\s*[:;]|\s*//|\s*\\\\)", text, re.IGNORECASE):
        scheme = match[1].lower()
        return f"an address begins with {scheme}:// (a colon and two slashes); write {scheme}://host/..."
    if re.match(r"[^\s/:@]+:[^\s@]*@[\w.\[-]", text):
        return "it looks like an address with a login but without a scheme; write rtsp:// or http:// in front of it"
    host, port = r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]|(?=[\w.-]*[A-Za-z])[\w-]+(?:\.[\w-]+)*)", r":\d{2,5}"
    if re.fullmatch(rf"{host}{port}(/.*)?|\d{{1,3}}(\.\d{{1,3}}){{3}}(/.*)?", text):
        return f"it looks like a network camera's address without a scheme; write rtsp://{text} or http://{text}"
    return None


def _about_scheme(scheme: str) -> str:
    for instead, schemes in _ELSEWHERE.items():
        if scheme in schemes:
            return _INSTEAD[instead]
    if nearest := _nearest_scheme(scheme):
        return f"{scheme}:// is unknown; write {nearest}://"
    known = ", ".join(f"{known}://" for known in STREAM_SCHEMES)
    return f"{scheme}:// is unknown; a network camera's address begins with one of {known}"


def _nearest_scheme(scheme: str) -> str | None:
    """Letters that changed places come first: rstp is rtsp, though it is as near to rtp."""
    for known in _LIKELY:
        if sorted(known) == sorted(scheme):
            return known
    matches = difflib.get_close_matches(scheme, _LIKELY, n=1, cutoff=0.6)
    return matches[0] if matches else None


def _problem_of(scheme: str, rest: str) -> str | None:
    """`rest`: what follows `scheme://`."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if problem := _problem_of_login(scheme, authority, rest[len(authority) :]):
        return problem
    host = authority.rpartition("@")[2]
    return _problem_of_host(scheme, host) if scheme in _LIKELY else None


def _problem_of_login(scheme: str, authority: str, after: str) -> str | None:
    """A `#`, `/` or `?` ends the host for every reader of addresses, also where it was meant as part of a password."""
    before_login_ends, at, _ = after.rpartition("@")
    if not at:
        return None
    # host, host:554 and [::1]:554 are whole; an @ further on is then part of the path.
    is_whole = re.fullmatch(r"(?:[^@]*@)?(?:\[[^\]]*\]|[^:@\[\]]*)(?::\d{1,5})?", authority) is not None
    if is_whole and not after.startswith("#"):
        return None
    found = dict.fromkeys(c for c in before_login_ends if c in "#/?@")
    spelled = " and ".join(f"{character} as {_ENCODED[character]}" for character in found)
    return (
        f"the user name or password in the address contains {' and '.join(found)}, which would end it early; "
        f"percent-encode it: write {spelled}, as in {scheme}://user:p{_ENCODED[next(iter(found))]}ss@host/..."
    )


def _problem_of_host(scheme: str, host: str) -> str | None:
    if host.startswith("["):
        inside, closing, port = host[1:].partition("]")
        if not closing or not _is_ipv6(inside):
            return f"the IPv6 address is not valid; write it in brackets, such as {scheme}://[fe80::1]:554/..."
        if port and not port.startswith(":"):
            return f"write the port after the brackets and a colon, such as {scheme}://[fe80::1]:554/..."
        port = port[1:]
    elif host.count(":") > 1:
        if _is_ipv6(host):
            return f"an IPv6 address needs brackets; write {scheme}://[{host}]/..."
        return f"it has one colon too many; write {scheme}://user:password@host:port/..., a : in a password as %3A"
    else:
        name, _, port = host.partition(":")
        if not name:
            return f"it has no host; write {scheme}://host/..., such as {scheme}://192.168.1.20/..."
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return f"what follows the host's colon is not a port from 1 to 65535; write {scheme}://host:port/..."
    return None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
