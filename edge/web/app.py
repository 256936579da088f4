"""The page's application: every route in one list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from edge.web.doorkeeper import SIGN_IN, Doorkeeper
from edge.web.health import Health
from edge.web.home import Home
from edge.web.live import Live
from edge.web.logins import LoginsFile
from edge.web.metrics import Metrics
from edge.web.sessions import Sessions
from edge.web.sign_in import SignIn


@dataclass(frozen=True, slots=True)
class Site:
    """Where and for whom the page is shown."""

    device: str
    base_path: str
    names: Collection[str]
    """Host names in lower case by which a browser may ask."""
    logins: LoginsFile
    sessions: Sessions
    secure: bool
    """The page itself has TLS."""


def routes(site: Site, health: Health, metrics: Metrics, live: Live, work: Executor) -> Sequence[BaseRoute]:
    sign_in = SignIn(site.device, site.base_path, site.logins, site.sessions, secure=site.secure, work=work)
    home = Home(site.device)
    return [
        Route("/", home.page, methods=["GET"]),
        Route(SIGN_IN, sign_in.show, methods=["GET"]),
        Route(SIGN_IN, sign_in.submit, methods=["POST"]),
        Route("/sign-out", sign_in.sign_out, methods=["POST"]),
        Route("/healthz", health.healthz, methods=["GET"]),
        Route("/readyz", health.readyz, methods=["GET"]),
        Route("/metrics", metrics.metrics, methods=["GET"]),
        Route("/api/status", health.status, methods=["GET"]),
        WebSocketRoute("/api/live", live.serve),
    ]


def make_app(site: Site, own_routes: Sequence[BaseRoute]) -> Doorkeeper:
    below = [Mount(site.base_path, routes=own_routes)] if site.base_path else own_routes
    return Doorkeeper(
        Starlette(routes=below),
        base_path=site.base_path,
        names=site.names,
        logins=site.logins,
        sessions=site.sessions,
    )
