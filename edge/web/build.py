"""Makes the application of the page. Importing it loads the libraries of the web, which only a page needs."""

from __future__ import annotations

from concurrent.futures import Executor

from edge.config import WebSettings
from edge.control.settings_history import SettingsHistory
from edge.web.app import Rooms, Site
from edge.web.audit_api import AuditApi
from edge.web.device import Device
from edge.web.event_feed import EventFeed
from edge.web.event_query import EventRecord
from edge.web.events_api import EventsApi
from edge.web.health import Health
from edge.web.home import Home
from edge.web.live import Live
from edge.web.measurements import Measurements
from edge.web.metrics import Metrics
from edge.web.places_api import PlacesApi
from edge.web.report_api import ReportApi
from edge.web.scene_slot import SceneSlot
from edge.web.settings_api import SettingsApi
from edge.web.sign_in import SignIn
from edge.web.snapshots_api import SnapshotsApi
from edge.web.trials import Trials
from edge.web.tune_api import TuneApi


def make_rooms(
    settings: WebSettings, site: Site, device: Device, measurements: Measurements, slot: SceneSlot, work: Executor
) -> Rooms:
    config, changes = device.changes.config, device.changes
    trials, history = Trials(device.observations), SettingsHistory(lambda: changes.config)
    live = Live(slot, lambda: changes.config, device.status, EventFeed(config.storage.path), trials, history)
    tune = TuneApi(
        changes, device.effective, device.recommended, device.observations, trials, history, device.on_change
    )
    sign_in = SignIn(
        config.device,
        site.base_path,
        site.logins,
        site.sessions,
        secure=settings.tls is not None,
        work=work,
        note=device.note,
    )
    snapshots = SnapshotsApi(config.storage.path, lambda: changes.config)
    return Rooms(
        sign_in=sign_in,
        home=Home(lambda: changes.config),
        health=Health(device.status),
        metrics=Metrics(device.status, device.totals, measurements, live),
        live=live,
        events=EventsApi(EventRecord(config.storage.path), lambda: changes.config, snapshots.kept_of, device.note),
        snapshots=snapshots,
        places=PlacesApi(config.storage.path, lambda: changes.config),
        tune=tune,
        settings=SettingsApi(changes, device.effective, device.on_change),
        audit=AuditApi(config.storage.path),
        report=ReportApi(lambda: changes.config),
    )
