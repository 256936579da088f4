"""The page as a part of the daemon."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from edge.config import Config, WebSettings
from edge.people.scene import Scene
from edge.people.transition import Transition
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.system.rate_limit import PerMinute
from edge.web.device import Device
from edge.web.hosts import own_names
from edge.web.logins import FILE_NAME, LoginsFile
from edge.web.measurements import Measurements
from edge.web.scene_slot import SceneSlot
from edge.web.sessions import Sessions

if TYPE_CHECKING:
    from edge.store.snapshots import Snapshot
    from edge.web.live import Live
    from edge.web.server import Application, WebServer
    from edge.web.tune_api import TuneApi

RETRY_S = 5.0
"""After the port was taken, or another failure."""
FAILURES_LOGGED = 3
"""In a minute."""
RESTART_S = 2.0
"""For the server to end before it is started by other settings."""

_log = logging.getLogger(__name__)


def _is_served_alike(one: WebSettings | None, other: WebSettings | None) -> bool:
    """Whether the server that was started with one goes on by the other."""
    always = {"show_faces": False}
    return (one and one.model_copy(update=always)) == (other and other.model_copy(update=always))


class WebPage(Part):
    """Serves the page while it is switched on and somebody could sign in. Whatever fails here is a problem in the
    status, and never the end of the daemon."""

    doing = "the page"
    stop_s = 2.0

    def __init__(self, device: Device) -> None:
        self._device = device
        self._config = config = device.changes.config
        self._measurements = Measurements(config.privacy)
        self._slot: SceneSlot | None = None
        self._live: Live | None = None
        self._tune: TuneApi | None = None
        self._failures = PerMinute(FAILURES_LOGGED)
        self._logins = LoginsFile(config.storage.path / FILE_NAME)
        self._sessions = Sessions()
        self._server: WebServer | None = None
        self._serves: WebSettings | None = None
        """The settings that the server was started with."""
        self._next_try_at = 0.0
        self._is_started = False

    def apply(self, config: Config) -> None:
        """Privacy takes effect at once, all else with the next tick."""
        is_switched = config.privacy != self._config.privacy
        self._config = config
        self._measurements.set_privacy(config.privacy)
        if is_switched and self._live is not None:
            self._live.privacy_changed()
        if is_switched and self._tune is not None:
            self._tune.forget()

    def start(self) -> None:
        self._is_started = True
        self.tick(time.monotonic())

    def tick(self, now: float) -> None:
        """Starts, ends and restarts the server until it is as wanted."""
        if self._tune is not None:
            self._tune.tick(now)
        logins = self._logins.logins
        has_users = logins.has_any or self._sessions.has_any(logins, now)
        wanted = self._config.web if self._config.web.enabled and has_users else None
        if self._server is not None and not _is_served_alike(wanted, self._serves):
            self._stop_server(Deadline(RESTART_S))
            self._server, self._next_try_at = None, 0.0
        if wanted is None or not self._is_started or now < self._next_try_at:
            return
        if self._server is None or not self._server.is_alive:
            self._server, self._serves = self._make_server(wanted), wanted
            self._next_try_at = now + RETRY_S
            self._server.start()

    def take(self, scenes: Sequence[Scene]) -> None:
        """From the vision thread: what one round showed. Costs it microseconds, and raises nothing."""
        try:
            self._measurements.take(scenes)
            if self._slot is not None and self._config.privacy == "events":
                self._slot.put(scenes, time.monotonic())
        except Exception:  # noqa: BLE001 - the page never stops the cameras
            self._report_failure()

    def observe(self, transitions: Sequence[Transition]) -> None:
        """From the events' thread: what happened, once it is safe on the disk. Raises nothing."""
        try:
            self._measurements.observe(transitions)
            if self._live is not None:
                self._live.events_came()
        except Exception:  # noqa: BLE001 - the page never stops the events
            self._report_failure()

    def snapshot_made(self, snapshot: Snapshot) -> None:
        """From the snapshots' thread. Raises nothing."""
        if self._live is not None and snapshot.is_kept:
            self._live.snapshot_kept(snapshot.event)

    def _report_failure(self) -> None:
        if self._failures.admits(time.monotonic()):
            _log.exception("an error in the page; everything else goes on; please report it:")

    def stop(self, deadline: Deadline) -> None:
        self._is_started = False
        self._stop_server(deadline)

    def _stop_server(self, deadline: Deadline) -> None:
        if self._tune is not None:  # before the server, which waits for the answers that are under way
            self._tune.stop()
        if self._server is not None:
            self._server.stop(deadline)

    def status(self) -> PartStatus:
        server = self._server
        problems = (self._logins.problem, server.problem if server is not None else None)
        return PartStatus([problem for problem in problems if problem is not None])

    def _make_server(self, settings: WebSettings) -> WebServer:
        from edge.web.server import Application, WebServer

        names = own_names([*settings.names, settings.host])

        def make_application(work: Executor) -> Application:
            # Only here: these libraries take memory and time that a device without a page does not give.
            from edge.web.app import Site, make_app
            from edge.web.build import make_rooms

            site, slot = Site(settings.base_path, names, self._logins, self._sessions), SceneSlot()
            rooms = make_rooms(settings, site, self._device, self._measurements, slot, work)
            rooms.live.start()
            self._live, self._slot, self._tune = rooms.live, slot, rooms.tune

            def stop() -> None:
                rooms.live.stop()
                rooms.tune.stop()

            return Application(make_app(site, rooms), stop)

        return WebServer(settings, self._config.storage.path, names, make_application)
