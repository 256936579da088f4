"""The page's application: every route in one list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from edge.web.audit_api import AuditApi
from edge.web.doorkeeper import SIGN_IN, TRY_OUT, Doorkeeper
from edge.web.events_api import EventsApi
from edge.web.health import Health
from edge.web.home import STATIC, Home, PageFiles
from edge.web.live import Live
from edge.web.logins import LoginsFile
from edge.web.metrics import Metrics
from edge.web.places_api import PlacesApi
from edge.web.report_api import ReportApi
from edge.web.sessions import Sessions
from edge.web.settings_api import SettingsApi
from edge.web.sign_in import SignIn
from edge.web.snapshots_api import SnapshotsApi
from edge.web.tune_api import TuneApi


@dataclass(frozen=True, slots=True)
class Site:
    """Where and for whom the page is shown."""

    base_path: str
    names: Collection[str]
    """Host names in lower case by which a browser may ask."""
    logins: LoginsFile
    sessions: Sessions


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routes lead to."""

    sign_in: SignIn
    home: Home
    health: Health
    metrics: Metrics
    live: Live
    events: EventsApi
    snapshots: SnapshotsApi
    places: PlacesApi
    tune: TuneApi
    settings: SettingsApi
    audit: AuditApi
    report: ReportApi


def routes(rooms: Rooms) -> Sequence[BaseRoute]:
    get, post = ["GET"], ["POST"]
    return [
        Route("/", rooms.home.page, methods=get),
        Mount("/static", PageFiles(directory=STATIC)),
        Route(SIGN_IN, rooms.sign_in.show, methods=get),
        Route(SIGN_IN, rooms.sign_in.submit, methods=post),
        Route("/sign-out", rooms.sign_in.sign_out, methods=post),
        Route("/healthz", rooms.health.healthz, methods=get),
        Route("/readyz", rooms.health.readyz, methods=get),
        Route("/metrics", rooms.metrics.metrics, methods=get),
        Route("/api/about", rooms.home.about, methods=get),
        Route("/api/status", rooms.health.status, methods=get),
        WebSocketRoute("/api/live", rooms.live.serve),
        Route("/api/events", rooms.events.newest, methods=get),
        Route("/api/events.csv", rooms.events.as_csv, methods=get),
        Route("/api/events.json", rooms.events.as_json, methods=get),
        Route("/api/trends", rooms.events.trends, methods=get),
        Route("/api/zones", rooms.places.zones, methods=get),
        Route("/api/heat/{camera}", rooms.places.heat, methods=get),
        Route("/api/snapshots/{event}", rooms.snapshots.one, methods=get),
        Route("/report", rooms.report.show, methods=get),
        Route("/api/audit", rooms.audit.newest, methods=get),
        Route("/api/tune", rooms.tune.state, methods=get),
        Route("/api/tune/clips", rooms.tune.clips, methods=get),
        Route("/api/tune/replay", rooms.tune.replay, methods=get),
        Route(TRY_OUT, rooms.tune.try_out, methods=post),
        Route("/api/tune/save", rooms.tune.save, methods=post),
        Route("/api/tune/revert", rooms.tune.revert, methods=post),
        Route("/api/settings", rooms.settings.all, methods=get),
        Route("/api/settings/{setting}", rooms.settings.set, methods=post),
        Route("/api/settings/{camera}/{setting}", rooms.settings.set, methods=post),
    ]


def make_app(site: Site, rooms: Rooms) -> Doorkeeper:
    own = routes(rooms)
    return Doorkeeper(
        Starlette(routes=[Mount(site.base_path, routes=own)] if site.base_path else own),
        base_path=site.base_path,
        names=site.names,
        logins=site.logins,
        sessions=site.sessions,
    )
