"""Signing in and out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from edge.control.audit import By
from edge.errors import MaskdError
from edge.web.attempts import Attempts
from edge.web.doorkeeper import COOKIE, SIGN_IN, cookie_of, kept_query
from edge.web.logins import LoginsFile, Role
from edge.web.passwords import fits, token_fits
from edge.web.responses import SECURITY_HEADERS
from edge.web.sessions import LONGEST_S, Sessions

MOST_BYTES = 8192
"""Of the form."""
FORM_S = 10.0
MOST_WAITING = 4
"""Passwords that are checked at a time, one after another: each takes a third of a second and 32 MiB."""

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; min-height: 90vh; place-content: center; margin: 1rem; }
form { display: grid; gap: .75rem; width: min(20rem, 90vw); }
h1 { font-size: 1.25rem; margin: 0; }
input, button { font: inherit; padding: .6rem; border: 1px solid #767676; border-radius: .4rem; }
button { background: #0b57d0; border-color: #0b57d0; color: #fff; cursor: pointer; }
p { margin: 0; color: #b3261e; }
@media (prefers-color-scheme: dark) { p { color: #f2b8b5; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CSP = SECURITY_HEADERS["Content-Security-Policy"].replace("style-src 'self'", f"style-src 'sha256-{_STYLE_HASH}'")

_log = logging.getLogger(__name__)


class SignIn:
    def __init__(
        self,
        device: str,
        base_path: str,
        logins: LoginsFile,
        sessions: Sessions,
        *,
        secure: bool,
        work: Executor,
        note: Callable[[str, str, By], None],
    ) -> None:
        """`secure`: the page is asked for by TLS. `work`: where slow hashes are computed, one at a time. `note`: adds a
        line to the log of changed settings."""
        self._device = device
        self._base_path = base_path
        self._logins = logins
        self._sessions = sessions
        self._secure = secure
        self._work = work
        self._note = note
        self._attempts = Attempts()
        self._waiting = 0

    async def show(self, request: Request) -> Response:
        """With `?key=`, a one-time key, it signs in."""
        key = request.query_params.get("key")
        if key is None:
            return self._form(query=kept_query(request.scope["query_string"]))
        if not self._attempts.admits(_address(request), time.monotonic()):
            return self._form("Too many attempts; wait a minute.", 429)
        logins = self._logins.logins
        if logins.key is None or not token_fits(key, logins.key):
            return self._form("This key was used already, or is not valid.", 403)
        try:
            self._logins.use_key()
        except MaskdError as error:
            return self._form(str(error), 500)
        # Not a redirect: a browser that came from another page would follow it without the new cookie.
        answer = HTMLResponse(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={self._base_path}/">'
            "<title>maskd</title>"
        )
        self._let_in(answer, request, "owner", None)
        return answer

    async def submit(self, request: Request) -> Response:
        address = _address(request)
        query = kept_query(request.scope["query_string"])
        if not self._attempts.admits(address, time.monotonic()):
            _log.warning("%s has tried to sign in too often and waits", address)
            return self._form("Too many attempts; wait a minute.", 429)
        password = await _password_in(request)
        if password is None:
            return self._form("The password did not arrive; try again.", 400)
        if self._waiting >= MOST_WAITING:
            return self._form("Too many people are signing in; try again.", 429)
        logins = self._logins.logins
        self._waiting += 1
        try:
            role = await asyncio.get_running_loop().run_in_executor(
                self._work, _role, password, logins.owner, logins.view
            )
        finally:
            self._waiting -= 1
        if role is None:
            _log.warning("%s has tried to sign in with a wrong password", address)
            return self._form("This is not the password.", 403, query)
        self._attempts.forget(address)
        answer = RedirectResponse(f"{self._base_path}/{query}", 303)
        self._let_in(answer, request, role, logins.owner if role == "owner" else logins.view)
        _log.info("%s has signed in%s", address, "" if role == "owner" else ", to look on")
        return answer

    async def sign_out(self, request: Request) -> Response:
        cookie = cookie_of(request.headers)
        if cookie is not None:
            self._sessions.end(cookie)
        answer = RedirectResponse(f"{self._base_path}{SIGN_IN}", 303)
        answer.delete_cookie(COOKIE, path=f"{self._base_path}/")
        return answer

    def _let_in(self, answer: Response, request: Request, role: Role, login: str | None) -> None:
        """`login`: the hash of the password; None: it was a one-time key."""
        self._note("page.sign_in", role if login else f"{role}, by a one-time key", By("page", _address(request)))
        behind_tls = request.headers.get("origin", "").startswith("https://")
        answer.set_cookie(
            COOKIE,
            self._sessions.begin(role, login, time.monotonic()),
            max_age=int(LONGEST_S),
            path=f"{self._base_path}/",
            secure=self._secure or behind_tls,
            httponly=True,
            samesite="strict",
        )

    def _form(self, problem: str = "", status: int = 200, query: str = "") -> Response:
        """`query`: what the page is asked for afterwards."""
        told = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in to maskd</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head><body><main>'
            f'<form method="post" action="{self._base_path}{SIGN_IN}{html.escape(query)}">'
            f"<h1>maskd on {html.escape(self._device)}</h1>"
            f'{told}<label for="password">Password</label>'
            '<input name="username" autocomplete="username" value="maskd" hidden>'
            '<input id="password" name="password" type="password" autocomplete="current-password" required autofocus>'
            "<button>Sign in</button></form></main></body></html>"
        )
        return HTMLResponse(page, status, headers={"Content-Security-Policy": _CSP})


def _role(password: str, owner: str | None, view: str | None) -> Role | None:
    """Takes as long whichever of the two it is, or none."""
    is_owner = fits(password, owner) if owner else False
    is_view = fits(password, view) if view else False
    return "owner" if is_owner else "view" if is_view else None


async def _password_in(request: Request) -> str | None:
    """None where the form is too large, too slow or not one."""
    try:
        body = await asyncio.wait_for(_body(request), FORM_S)
        fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)
    except (ValueError, asyncio.TimeoutError, ClientDisconnect):
        return None
    return fields.get("password", [None])[0]


async def _body(request: Request) -> bytes:
    """Raises ValueError where it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise ValueError
    return body


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
