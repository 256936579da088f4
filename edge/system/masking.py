"""Keeps secrets out of logs and printouts.

Of an address, scheme, host and port are shown, and of what follows only what is known to be harmless: cameras take
logins and tokens in their paths and parameters under more names than a list could hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from edge.system.harmless_words import MASK, is_channel, is_harmless, shown_assignment, shown_user

# Every repetition is bounded, so that a line of any length takes time in proportion to it.
_KNOWN_SCHEMES = (
    "rtsps?|https?|rtmp[a-z]{0,2}|rtp|srtp|udp|tcp|tls|srt|mmsh|mmst|mqtts?|wss?|ftps?|sftp|smb|onvif|rtspt|rtspu"
)
_START = re.compile(
    rf"(?<![A-Za-z0-9+.-])(?:{_KNOWN_SCHEMES})://|(?<![A-Za-z0-9+./-])(?:rtsps?|https?|rtmps?)\s?(?:[:;]\s?[/\\]{{1,2}}|//)|(?<![A-Za-z0-9+.:@/-])[A-Za-z][A-Za-z0-9+.-]{{0,15}}://",
    re.IGNORECASE,
)
_ENCODED_ADDRESS = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,15})%(?:25){0,3}3A%(?:25){0,3}2F[^\s\"'<>]*", re.IGNORECASE)
_LONGEST_LOGIN = 400
_END_OF_HOST = re.compile(r"[/?#\s\"'<>\\]")
_END_OF_ADDRESS = re.compile(r"[\s\"'<>]")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%a-z]{2,60}\]|[A-Za-z0-9_-][A-Za-z0-9._-]{0,252})?(?::\d{1,5})?")
_DEFINITE_HOST = re.compile(
    r"(?:\[[0-9A-Fa-f:.%a-z]{2,60}\]|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost|[A-Za-z0-9-]+)(?::\d{1,5})?"
)
_PUNCTUATION = ":.,;!)]}…"
_BETWEEN_PIECES = re.compile(r"([/?#&;,!|\s\\]+)")
_ASSIGNMENTS = re.compile(r"(?:^|_)([A-Za-z][A-Za-z0-9-]{0,30})=((?:(?!_[A-Za-z][A-Za-z0-9-]{0,30}=).)*)", re.DOTALL)
_NAME = (
    r"(?:[A-Za-z_-]{0,30}(?:password|passwd|passphrase|passcode|loginpas|userpwd|userpass|authbasic|secret|token|jwt"
    r"|signature|credential|credentials|apikey|api_key|authorization)"
    r"|user-pw|proxy-pw|extra-headers|cookies?|pass|pwd|psw|pw|auth|key|sig)"
)
_ASSIGNED = re.compile(
    rf"""\b({_NAME}\s{{0,3}}=\s{{0,3}})(?:\\?"[^"\n]{{0,300}}"|'[^'\n]{{0,300}}'|[^&\s"']+)""", re.IGNORECASE
)
_SETTING = re.compile(rf"\b({_NAME}[\"']?\s*:\s*)[^\s,}}#].*", re.IGNORECASE)
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization[\"']?\s*[:=]\s*)[^\n]{1,300}"
    r"|\b(Bearer |Basic (?-i:(?=[a-z]{0,300}[A-Z0-9+/=])))[A-Za-z0-9+/_.=-]{8,300}",
    re.IGNORECASE,
)
_LOGIN_ALONE = re.compile(r"(?<![\w/@*.:])([^\s/:@\"'=]{1,64}):(?!//|\*{3}@)[^\s@]{1,200}@(?=[\w\[])")


def mask_url(text: str) -> str:
    """The same address, or text with addresses in it, without secrets: `rtsp://user:***@host/***`."""
    return "\n".join(_line(line, to_end=False) for line in text.split("\n"))


def mask_address(text: str) -> str:
    """The same for an address and nothing else: whatever follows its host belongs to it, spaces and quotation marks
    among it."""
    return "\n".join(_line(line, to_end=True) for line in text.split("\n"))


def mask_line(line: str) -> str:
    """A line of a configuration file, fit to be logged: secrets in addresses and `password: ...` are replaced."""
    return _SETTING.sub(rf"\1{MASK}", mask_url(line))


def is_address(text: str) -> bool:
    """Whether it begins with `scheme://`."""
    return _START.match(text.strip()) is not None


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without these words, and without whatever mask_url() takes for a secret."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return mask_url(text)


def _line(line: str, *, to_end: bool) -> str:
    starts = [*_START.finditer(line)]
    pieces = [line[: starts[0].start()] if starts else line]
    bounds = [*(start.start() for start in starts), len(line)]
    for start, (_, end) in zip(starts, pairwise(bounds), strict=True):
        pieces.append(start[0] + _address(line[start.end() : end], to_end=to_end))
    text = _ENCODED_ADDRESS.sub(rf"\1://{MASK}", "".join(pieces))
    text = _HEADER.sub(lambda found: f"{found[1] or found[2]}{MASK}", text)
    return _LOGIN_ALONE.sub(f"{MASK}:{MASK}@", _ASSIGNED.sub(rf"\1{MASK}", text))


def _address(rest: str, *, to_end: bool) -> str:
    """`rest`: what follows `scheme://`, to the end of the line or to the next address."""
    login, rest = _split_login(rest, to_end=to_end)
    end = _END_OF_HOST.search(rest)
    host, rest = (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])
    kept = host.rstrip(_PUNCTUATION) if not host.startswith("[") else host.rstrip(":.,;!)}…")
    behind_host = host[len(kept) :]
    shown = kept if _HOST.fullmatch(kept) else MASK
    end = None if to_end else _END_OF_ADDRESS.search(rest)
    path, prose = (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])
    return login + shown + behind_host + _path(path) + prose


def _split_login(rest: str, *, to_end: bool) -> tuple[str, str]:
    """The login, masked, with its @, and what follows it. A password may hold unescaped @, /, spaces and quotation
    marks (people paste them), so everything up to the line's last @ goes: hiding too much is harmless."""
    end = _END_OF_HOST.search(rest)
    authority = rest if end is None else rest[: end.start()]
    end = None if to_end else _END_OF_ADDRESS.search(rest)
    address = rest if end is None else rest[: end.start()]
    is_host = _HOST.fullmatch(authority.rstrip(".,;)")) is not None
    if "@" in authority or not is_host:
        at = rest.rfind("@", 0, _LONGEST_LOGIN)
    elif "@" in address and not _DEFINITE_HOST.fullmatch(authority):
        at = address.rfind("@", 0, _LONGEST_LOGIN)
    elif "@" in address and ":" in authority and "." not in authority:
        at = address.rfind("@", 0, _LONGEST_LOGIN)  # a password that begins like a port
    else:
        at = -1
    if at < 0:
        return "", rest
    user, colon, _ = rest[:at].partition(":")
    return (f"{shown_user(user)}:{MASK}@" if colon else f"{shown_user(user)}@"), rest[at + 1 :]


def _path(path: str) -> str:
    """A path with its parameters and its fragment, each part masked that is not known to be harmless."""
    kept = path.rstrip(_PUNCTUATION)
    pieces = _BETWEEN_PIECES.split(kept)
    before = ""
    for index in range(0, len(pieces), 2):
        piece = pieces[index]
        pieces[index] = piece if before == "channels" and is_channel(piece) else _piece(piece)
        before = piece.lower()
    return "".join(pieces) + path[len(kept) :]


def _piece(piece: str) -> str:
    if "=" not in piece:
        return piece if is_harmless(piece) else MASK
    key, _, value = piece.partition("=")
    if "=" not in value:
        return shown_assignment(key, value)
    # Some cameras take their login as user=admin_password=..._channel=1.
    if _ASSIGNMENTS.match(piece) is None:
        return MASK
    return "_".join(shown_assignment(found[1], found[2]) for found in _ASSIGNMENTS.finditer(piece))
