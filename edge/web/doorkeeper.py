"""Decides who a request comes from, before any route sees it. What is not public needs a login."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.web.hosts import is_own, is_same_origin
from edge.web.logins import LoginsFile, Role
from edge.web.passwords import token_fits
from edge.web.responses import SECURITY_HEADERS, refusal
from edge.web.sessions import Sessions

COOKIE = "maskd"
SIGN_IN = "/sign-in"
PUBLIC = frozenset({SIGN_IN, "/healthz"})
"""The only paths that answer without a login."""
TRY_OUT = "/api/tune/try"
"""Changes nothing on the device, so that those who look on may ask it as well."""
LONGEST_QUERY = 1000
READING = frozenset({"GET", "HEAD"})
POLICY_VIOLATION = 1008
"""The code by which a WebSocket is refused: RFC 6455."""


class Doorkeeper:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_path: str,
        names: Collection[str],
        logins: LoginsFile,
        sessions: Sessions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`names`: host names in lower case by which a browser may ask."""
        self._app = app
        self._base_path = base_path
        self._names = names
        self._logins = logins
        self._sessions = sessions
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        headers = Headers(scope=scope)
        refused = self._refuse(scope, headers)
        if scope["type"] == "websocket":
            if refused is not None:
                await receive()
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
                return
            scope["is_valid"] = lambda: (self._of_token(headers) or self._of_session(headers)) is not None
            await self._app(scope, receive, send)
            return
        await (refused or self._app)(scope, receive, _with_security_headers(send))

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        """None: it may pass, and `scope["role"]` says whose it is."""
        scope["role"] = None
        host, origin = headers.get("host", ""), headers.get("origin")
        if len(headers.getlist("host")) != 1 or not is_own(host, self._names):
            return refusal(421, "this host name is not the device's; ask by its address, or add the name to web.names")
        changes = scope["type"] == "websocket" or scope["method"] not in READING
        if origin is not None and not is_same_origin(origin, host):
            return refusal(403, "the request comes from a page of another site")
        token_role = self._of_token(headers)
        if token_role is None and changes and origin is None:
            return refusal(403, "the request does not say which page it comes from (Origin)")
        scope["role"] = token_role or self._of_session(headers)
        path = scope["path"].removeprefix(self._base_path)
        if path in PUBLIC:
            return None
        if scope["role"] is None:
            if scope["type"] == "http" and "text/html" in headers.get("accept", ""):
                return RedirectResponse(f"{self._base_path}{SIGN_IN}{kept_query(scope['query_string'])}", 303)
            return refusal(401, "sign in first")
        if scope["type"] == "http" and changes and scope["role"] != "owner" and path not in ("/sign-out", TRY_OUT):
            return refusal(403, "this login may look at everything and change nothing")
        return None

    def _of_token(self, headers: Headers) -> Role | None:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        kept = self._logins.logins.tokens.values()
        return "view" if any(token_fits(token.strip(), each) for each in kept) else None

    def _of_session(self, headers: Headers) -> Role | None:
        cookie = cookie_of(headers)
        return None if cookie is None else self._sessions.role(cookie, self._logins.logins, self._clock())


def kept_query(query: bytes) -> str:
    """What an address asked for, to be asked again after signing in: `?name=value`, or nothing. Never a key."""
    pairs = parse_qsl(query.decode("latin-1")[:LONGEST_QUERY])
    kept = urlencode([(name, value) for name, value in pairs if name != "key"])
    return f"?{kept}" if kept else ""


def cookie_of(headers: Headers) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def _with_security_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
