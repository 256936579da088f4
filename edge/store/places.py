"""Keeps where people stand and how long they stay in zones, by day: positions and counts, no picture and no person."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime

from edge.config import Config
from edge.geometry import Box
from edge.people.scene import Scene
from edge.people.zone_visits import ZoneVisit, ZoneVisits
from edge.people.zones import point_of
from edge.store.clock_trust import ClockTrust
from edge.store.places_file import COLUMNS, ROWS, CameraDay, Day, PlacesFolder, ZoneHour
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.system.worker import Worker

SAVE_S = 30.0
"""Between two writes, which a power cut may lose."""
LONGEST_LOOK_S = 1.0
"""A person counts for at most so long by one look; a camera that stops gives no heat."""

_log = logging.getLogger(__name__)


class Places(Part):
    """The thread `places`. With `privacy: aggregate`, or `storage.keep_days: 0`, nothing is kept, and what was kept is
    deleted before the switch is answered."""

    doing = "the map of where people stand"
    stop_s = 0.5

    def __init__(
        self,
        config: Config,
        *,
        on_failure: Callable[[BaseException], None],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        save_s: float = SAVE_S,
    ) -> None:
        self._config = config
        self._wall = wall
        self._monotonic = monotonic
        self._save_s = save_s
        self._folder = PlacesFolder(config.storage.path)
        self._clock = ClockTrust()
        self._disk = threading.Lock()
        """Held around what changes a file; taken before `_lock`."""
        self._lock = threading.Lock()
        """Guards what follows."""
        self._visits = ZoneVisits()
        self._looked_at: dict[str, float] = {}
        self._day: date | None = None
        self._known = Day()
        self._is_changed = False
        self._problem: str | None = None
        self._is_started = False
        self._worker = Worker("places", self._work, on_failure=on_failure, on_stop=self._save)

    def apply(self, config: Config) -> None:
        with self._lock:
            self._config = config
            if not self._is_kept:
                self._forget()
        if self._is_started and not self._is_kept:
            self._delete_all()

    def start(self) -> None:
        self._is_started = True
        if not self._is_kept:
            self._delete_all()
        self._worker.start()

    def stop(self, deadline: Deadline | None = None) -> None:
        self._worker.stop(deadline)

    def status(self) -> PartStatus:
        return PartStatus(() if self._problem is None else (self._problem,))

    def take(self, scenes: Sequence[Scene]) -> None:
        """From the vision thread: what one round showed."""
        with self._lock:
            if not self._is_kept:
                return
            for scene in scenes:
                visits = self._visits.take(scene)
                if visits:
                    self._count(scene.camera, visits)
                if scene.frame is not None:
                    self._warm(scene, scene.frame.captured_at)

    @property
    def _is_kept(self) -> bool:
        return self._config.privacy == "events" and self._config.storage.keep_days > 0

    def _forget(self) -> None:
        self._visits.forget()
        self._known, self._day, self._is_changed = Day(), None, False
        self._looked_at.clear()

    def _of(self, camera: str) -> CameraDay:
        self._is_changed = True
        return self._known.cameras.setdefault(camera, CameraDay())

    def _count(self, camera: str, visits: Sequence[ZoneVisit]) -> None:
        hour = datetime.fromtimestamp(self._wall()).astimezone().replace(minute=0, second=0, microsecond=0)
        for visit in visits:
            hours = self._of(camera).zones.setdefault(visit.zone, {})
            counted = hours.setdefault(int(hour.timestamp()), ZoneHour())
            counted.add(visit.seconds, is_violation=visit.is_violation)

    def _warm(self, scene: Scene, now: float) -> None:
        assert scene.frame is not None
        seconds = min(LONGEST_LOOK_S, max(0.0, now - self._looked_at.get(scene.camera, now)))
        self._looked_at[scene.camera] = now
        seen = [each for each in scene.people if each.seen and each.confirmed]
        if not seen or not seconds:
            return
        width, height = scene.frame.pixels.size
        heat = self._of(scene.camera).heat
        for person in seen:
            heat[_cell(person.box, (width, height))] += seconds

    def _work(self, _now: float) -> float:
        self._save()
        return self._save_s

    def _save(self) -> None:
        """Writes the day, and turns to the next one."""
        now = self._wall()
        today = datetime.fromtimestamp(now).astimezone().date()
        try:
            with self._disk:
                with self._lock:
                    if not self._is_kept:
                        self._forget()
                    day, data = self._day, self._known.to_json() if self._is_changed else None
                    self._is_changed = False
                    if day != today:
                        self._known, self._day = Day(), None
                if data is not None and day is not None:
                    self._folder.write(day, data)
                if day != today and self._is_kept:
                    self._turn(today)
                    self._delete_old(today, now)
                if not self._is_kept:
                    self._folder.delete_all()
        except OSError as error:
            with self._lock:
                self._is_changed = True
            self._report(error)
        else:
            self._report(None)

    def _turn(self, today: date) -> None:
        """What the file of the day has, and what was seen meanwhile."""
        known = self._folder.read(today)
        with self._lock:
            if self._is_kept:
                self._known, self._day = _merged(known, self._known), today

    def _delete_old(self, today: date, now: float) -> None:
        """A clock that was just set deletes nothing."""
        monotonic = self._monotonic()
        self._clock.observe(now, monotonic, self._folder.days)
        if self._clock.is_trusted(now, monotonic):
            keep_days = self._config.storage.keep_days
            self._folder.delete([day for day in self._folder.days() if (today - day).days > keep_days])

    def _delete_all(self) -> None:
        try:
            with self._disk:
                self._folder.delete_all()
        except OSError as error:
            self._report(error)
            self._worker.wake()

    def _report(self, error: OSError | None) -> None:
        if error is not None and self._problem is None:
            _log.warning("the map of where people stand cannot be kept: %s", error)
        self._problem = None
        if error is not None:
            what = "kept" if self._is_kept else "deleted"
            self._problem = f"the map of where people stand cannot be {what}: {error.strerror or error}; check the disk"


def _cell(box: Box, frame_size: tuple[int, int]) -> int:
    x, y = point_of(box, frame_size)
    return min(ROWS - 1, int(y * ROWS)) * COLUMNS + min(COLUMNS - 1, int(x * COLUMNS))


def _merged(one: Day, other: Day) -> Day:
    for camera, new in other.cameras.items():
        known = one.cameras.setdefault(camera, CameraDay())
        known.heat = [a + b for a, b in zip(known.heat, new.heat, strict=True)]
        for zone, hours in new.zones.items():
            of_zone = known.zones.setdefault(zone, {})
            for begin, hour in hours.items():
                of_zone[begin] = of_zone[begin].merged(hour) if begin in of_zone else hour
    return one
