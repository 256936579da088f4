"""Keeps a picture of each event, beside the path of the events themselves, which never waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from edge.camera.frame import DamagedPictureError
from edge.config import Config
from edge.payloads.events import Draft
from edge.people.scene import Scene
from edge.people.transition import Transition
from edge.store.clock_trust import ClockTrust, utc_day
from edge.store.snapshot_folder import SnapshotFolder
from edge.store.snapshot_picture import snapshot
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.system.worker import Worker

PICTURED = ("started", "changed")
"""No `ended`: the person has left the picture by then, and it would show others."""
MOST_SCENES = 4
"""Pictures that wait to be encoded, 3 MB each at 1280x720; more are dropped."""
MOST_ENCODED = 64
"""Snapshots that wait for their event to be on the disk, 30 kB each; an event that is never published has none."""
MOST_EVENTS = 1000
TIDY_S = 60.0
RETRY_S = 5.0
"""After the disk has refused to delete."""
HANGS_S = 5.0
"""A disk that takes so long to write one snapshot keeps no change of the settings waiting."""
DROPPED_LATELY_S = 60.0
DAY_S = 86_400.0

_log = logging.getLogger(__name__)
_Key = tuple[str, str, str, float]


@dataclass(frozen=True, slots=True)
class Snapshot:
    event: UUID
    camera: str
    jpeg: bytes
    is_kept: bool
    """Whether the disk has taken it."""


def _key(transition: Transition) -> _Key:
    return transition.camera, transition.track, transition.type, transition.at


class Snapshots(Part):
    """The thread `snapshots`.

    The vision thread leaves scenes in which something happened, and the events' thread the ids of events that are on
    the disk; here a picture is encoded, and written once both are there. What is too much is dropped and counted. Where
    snapshots are not allowed there is none: neither here nor in the folder.
    """

    doing = "the snapshots"
    stop_s = 0.5

    def __init__(
        self,
        config: Config,
        *,
        on_made: Sequence[Callable[[Snapshot], None]] = (),
        on_failure: Callable[[BaseException], None],
        folder: SnapshotFolder | None = None,
    ) -> None:
        """`on_made`: called in this thread with each snapshot, kept or refused by the disk; it returns at once."""
        self._config = config
        self._folder = SnapshotFolder(config.storage.path) if folder is None else folder
        self._on_made = on_made
        self._clock = ClockTrust()
        self._lock = threading.Lock()
        """Guards what follows; held for microseconds."""
        self._scenes: deque[Scene] = deque()
        self._events: deque[Draft] = deque(maxlen=MOST_EVENTS)
        self._permit = 0
        """Another one each time that snapshots are forbidden: what was taken under an earlier one is thrown away."""
        self.dropped = 0
        self._dropped_at: float | None = None
        self._writing = threading.RLock()
        """Held while a snapshot is written and told of, and while all are deleted; guards what follows."""
        self._encoded: dict[_Key, bytes] = {}
        self._is_open = False
        self._must_delete = False
        """Snapshots were forbidden, and perhaps not all of them are deleted yet."""
        self._problem: str | None = None
        self._next_tidy_at = 0.0
        self._is_started = False
        self._worker = Worker("snapshots", self._work, on_failure=on_failure)

    def apply(self, config: Config) -> None:
        """From any thread. Where `config` forbids snapshots there is none any more once this returns, unless the disk
        refuses: then the status says so until they are deleted."""
        self._config = config
        if not config.keeps_snapshots:
            with self._lock:
                self._permit += 1
                self._scenes.clear()
                self._events.clear()
                self._dropped_at = None
            self._must_delete = True
            if self._is_started and self._writing.acquire(timeout=HANGS_S):
                try:
                    self._forget()
                finally:
                    self._writing.release()
        self._worker.wake()

    def start(self) -> None:
        """After the store has taken the folder."""
        self._is_started = True
        if not self._config.keeps_snapshots:
            self._must_delete = True
            self._forget()
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        self._worker.stop(deadline)

    def take(self, scenes: Sequence[Scene]) -> None:
        """From the vision thread, before it hands on what happened. Costs it microseconds, and raises nothing."""
        if not self._config.keeps_snapshots:
            return
        wanted = [scene for scene in scenes if scene.frame is not None and _pictured(scene)]
        if not wanted:
            return
        with self._lock:
            for scene in wanted:
                if len(self._scenes) < MOST_SCENES:
                    self._scenes.append(scene)
                else:
                    self.dropped += 1
                    self._dropped_at = time.monotonic()
        self._worker.wake()

    def published(self, drafts: Sequence[Draft]) -> None:
        """From the events' thread: these are on the disk. Costs it microseconds, and raises nothing."""
        if self._config.keeps_snapshots:
            with self._lock:
                self._events.extend(draft for draft in drafts if draft.transition.type in PICTURED)
            self._worker.wake()

    def status(self) -> PartStatus:
        problems = [] if self._problem is None else [self._problem]
        if self._dropped_at is not None and time.monotonic() - self._dropped_at < DROPPED_LATELY_S:
            problems.append(
                "some snapshots were dropped lately, because this device or its disk is too slow for them; events are "
                "not affected"
            )
        return PartStatus(problems)

    def _work(self, now: float) -> float:
        if self._must_delete:
            self._forget()
        if self._must_delete:
            return RETRY_S
        with self._lock:
            permit = self._permit
            scenes, events = list(self._scenes), list(self._events)
            self._scenes.clear()
            self._events.clear()
        for scene in scenes:
            self._encode(scene, permit)
        # A scene comes before its event, so an event without one gets none.
        for event in events:
            self._write(event, permit)
        self._tidy(now)
        return TIDY_S

    def _encode(self, scene: Scene, permit: int) -> None:
        for transition in _pictured(scene):
            try:
                jpeg = snapshot(scene, transition, self._config.snapshots.faces)
            except DamagedPictureError:
                return  # the camera reports it
            except Exception as error:  # noqa: BLE001 - the events go on without pictures
                self._report(f"a snapshot could not be made ({error!r}); events are not affected; please report this")
                return
            with self._writing:
                if permit == self._permit:
                    self._encoded[_key(transition)] = jpeg
                while len(self._encoded) > MOST_ENCODED:
                    del self._encoded[next(iter(self._encoded))]

    def _write(self, event: Draft, permit: int) -> None:
        with self._writing:
            jpeg = self._encoded.pop(_key(event.transition), None)
            if jpeg is None or permit != self._permit:
                return
            try:
                self._open()
                self._clock.observe(time.time(), time.monotonic(), lambda: map(utc_day, self._folder.times()))
                self._folder.keep(event.id, jpeg, keep_bytes=self._config.snapshots.keep_bytes)
            except OSError as error:
                is_kept = False
                self._refused(error)
            else:
                is_kept = True
                self._report(None)
            for tell in self._on_made:
                tell(Snapshot(event.id, event.transition.camera, jpeg, is_kept))

    def _tidy(self, now: float) -> None:
        if now < self._next_tidy_at:
            return
        self._next_tidy_at = now + TIDY_S
        with self._writing:
            settings, wall = self._config.snapshots, time.time()
            if not self._config.keeps_snapshots:
                return
            try:
                self._open()
                self._clock.observe(wall, now, lambda: map(utc_day, self._folder.times()))
                self._folder.shrink(settings.keep_bytes)
                if self._clock.is_trusted(wall, now):
                    self._folder.delete_before(wall - settings.keep_days * DAY_S)
            except OSError as error:
                self._refused(error)

    def _open(self) -> None:
        """Raises OSError."""
        if not self._is_open:
            self._folder.open()
            self._is_open = True

    def _forget(self) -> None:
        with self._writing:
            self._encoded.clear()
            try:
                self._folder.delete_all()
            except OSError as error:
                self._report(
                    f"snapshots are not allowed any more, but {self._folder.path} cannot be emptied: "
                    f"{error.strerror or error}; delete it by hand"
                )
            else:
                self._must_delete = False
                self._report(None)

    def _refused(self, error: OSError) -> None:
        self._report(
            f"no snapshots are kept in {self._folder.path}: {error.strerror or error}; events are not affected; "
            "check the disk, or lower snapshots.keep_bytes"
        )

    def _report(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            _log.warning("%s", problem)
        self._problem = problem


def _pictured(scene: Scene) -> list[Transition]:
    return [transition for transition in scene.transitions if transition.type in PICTURED]
