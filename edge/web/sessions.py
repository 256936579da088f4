"""Who is signed in: pure logic that takes the time."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from edge.web.logins import Logins, Role

IDLE_S = 12 * 3600.0
"""A session that is not used for so long is over."""
LONGEST_S = 7 * 24 * 3600.0
MOST = 200
"""Past this many, the session that was idle longest is over."""


@dataclass(slots=True)
class _Session:
    role: Role
    login: str | None
    """The hash of the password by which it began; None: by a one-time key."""
    began_at: float
    used_at: float


class Sessions:
    """In memory alone: a restart of maskd ends all of them. A changed password ends those that began by it."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        """By the hash of the cookie."""

    def begin(self, role: Role, login: str | None, now: float) -> str:
        """Returns the cookie's value."""
        if len(self._sessions) >= MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used_at)]
        cookie = secrets.token_urlsafe(32)
        self._sessions[_key(cookie)] = _Session(role, login, now, now)
        return cookie

    def role(self, cookie: str, logins: Logins, now: float) -> Role | None:
        """None: there is no such session, or it is over. `logins`: as they are now."""
        session = self._sessions.get(_key(cookie))
        if session is None:
            return None
        if not _goes_on(session, logins, now):
            self.end(cookie)
            return None
        session.used_at = now
        return session.role

    def has_any(self, logins: Logins, now: float) -> bool:
        """From any thread: whether a session goes on."""
        return any(_goes_on(session, logins, now) for session in list(self._sessions.values()))

    def end(self, cookie: str) -> None:
        self._sessions.pop(_key(cookie), None)


def _goes_on(session: _Session, logins: Logins, now: float) -> bool:
    is_over = now - session.used_at > IDLE_S or now - session.began_at > LONGEST_S
    return not is_over and session.login in (None, logins.owner if session.role == "owner" else logins.view)


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
