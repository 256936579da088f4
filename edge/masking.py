"""Keeps passwords out of logs and printouts."""

from __future__ import annotations

import re

# Every repetition is bounded, so that a line of any length takes time in proportion to it.
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,15}://"
_USER = rf"({_SCHEME}[^\s:@/]{{0,200}})"
_REST_OF_LINE = r"(?:(?!://)[^\n]){0,300}"
# The password of user:password@host. It may hold unescaped @, /, spaces and quotation marks (people paste them), so
# everything up to the line's last @ goes: hiding too much is harmless. What may be a port, and ends the host, stays.
_PASSWORD_IN_TEXT = re.compile(rf"{_USER}:(?!\*\*\*@|\d{{1,5}}(?:[/\s\"',;?)]|$)){_REST_OF_LINE}@")
_LIKE_A_PORT = re.compile(rf"{_USER}:[^\s\"']{{0,300}}@")
_WHOLE_ADDRESS = re.compile(rf"\A\s*{_USER}:{_REST_OF_LINE}@")
_NAME = (
    r"(?:[A-Za-z_-]{0,30}(?:password|passwd|passphrase|loginpas|secret|token|signature|credential|apikey|api_key)"
    r"|user-pw|pass|pwd|psw|auth|key|sig)"
)
_QUERY = re.compile(rf"""\b({_NAME}=)(?:"[^"\n]{{0,300}}"|'[^'\n]{{0,300}}'|[^&\s"']+)""", re.IGNORECASE)
_SETTING = re.compile(rf"\b({_NAME}[\"']?\s*:\s*)[^\s,}}#].*", re.IGNORECASE)

_LOGIN = re.compile(r"""(:\s{0,80}["']?[^\s:@/"']{1,200}):(?!\*\*\*@)[^\s@]{0,300}@(?=[\w\[])""")


def mask_url(text: str) -> str:
    """The same address, or text with addresses in it, with passwords replaced: `rtsp://user:***@host`."""
    for pattern in (_WHOLE_ADDRESS, _PASSWORD_IN_TEXT, _LIKE_A_PORT):
        text = pattern.sub(r"\1:***@", text)
    return _QUERY.sub(r"\1***", text)


def mask_line(line: str) -> str:
    """A line of a configuration file, fit to be logged: passwords in addresses, with or without their beginning, and
    `password: ...` are replaced."""
    return _SETTING.sub(r"\1***", _LOGIN.sub(r"\1:***@", mask_url(line)))
