"""Keeps passwords out of logs and printouts."""

from __future__ import annotations

import re

# The password of user:password@host. It may hold unescaped @ and / (people paste them), so everything up to the last @
# goes: hiding too much of an address is harmless.
_USER_AND_PASSWORD = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:@/]*):[^\s\"']*@")
_NAME = r"(?:[A-Za-z_-]*(?:password|passwd|passphrase|secret|token|apikey|api_key)|pass|pwd|psw)"
_QUERY = re.compile(rf"([?&]{_NAME}=)[^&\s\"']+", re.IGNORECASE)
_SETTING = re.compile(rf"\b({_NAME}[\"']?\s*:\s*)[^\s,}}#].*", re.IGNORECASE)


def mask_url(text: str) -> str:
    """The same address, or text with addresses in it, with passwords replaced: `rtsp://user:***@host`."""
    return _QUERY.sub(r"\1***", _USER_AND_PASSWORD.sub(r"\1:***@", text))


def mask_line(line: str) -> str:
    """A line of a configuration file, fit to be logged: passwords in addresses and `password: ...` are replaced."""
    return _SETTING.sub(r"\1***", mask_url(line))
