"""The thread that reads one camera."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from edge.camera.base import Camera
from edge.camera.frame import Frame
from edge.camera.latest import LatestFrame
from edge.errors import MaskdError
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline

LONGEST_DELAY_S = 30.0
_FIRST_DELAY_S = 0.5
_STABLE_S = 10.0
"""A connection that held this long was a good one: the next failure starts with short delays again."""
_STOP_TIMEOUT_S = 1.5

NO_THREAD = (
    "no thread can be started for it, because the system's limit is reached; stop other programs, or raise "
    "TasksMax= of the service or `ulimit -u`"
)

_log = logging.getLogger(__name__)


class CaptureThread:
    """Fills a LatestFrame from one camera, in a thread of its own named `capture-<camera>`.

    A live camera that fails is opened again, for ever, with exponential back-off and full jitter; it is never fatal. A
    file that cannot be played, and any unexpected error, goes to `on_failure`, in the capture thread. At a file's end,
    and on `stop`, the slot is closed.
    """

    def __init__(
        self,
        name: str,
        make_camera: Callable[[], Camera],
        latest: LatestFrame,
        on_failure: Callable[[Exception], None],
        *,
        longest_delay_s: float = LONGEST_DELAY_S,
    ) -> None:
        self.name = name
        self._make_camera = make_camera
        self._latest = latest
        self._on_failure = on_failure
        self._longest_delay_s = longest_delay_s
        self._thread = threading.Thread(target=self._run, name=f"capture-{name}", daemon=True)
        self._stopping = threading.Event()
        self._frames = 0
        self._connected_since: float | None = None
        self._reported_lost = False
        self._last_error: str | None = None
        self._ended = False
        self._failed = False

    def start(self) -> None:
        """Where the system starts no more threads, `last_error` says so; start() may be called again."""
        try:
            self._thread.start()
        except RuntimeError:
            if self._last_error is None:
                self._last_error = NO_THREAD
                _log.warning("camera %s: %s; trying again until one can be", self.name, NO_THREAD)

    @property
    def started(self) -> bool:
        return self._thread.ident is not None

    def ask_to_stop(self) -> None:
        """Returns at once: no picture is delivered any more."""
        self._stopping.set()
        self._latest.close()

    def stop(self, deadline: Deadline | None = None) -> None:
        """Without a deadline it waits for at most 1.5 s. A read that hangs longer is left behind, and delivers nothing.

        Before Python 3.14 an interpreter that shuts down meanwhile is aborted (SIGABRT), since the thread returns into
        C++ code that cannot be unwound: flush everything, then end the process with os._exit.
        """
        self.ask_to_stop()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join((deadline or Deadline(_STOP_TIMEOUT_S)).left)
            if self._thread.is_alive():
                _log.warning("camera %s: a read still hangs and is abandoned", self.name)

    @property
    def connected(self) -> bool:
        """Pictures are coming."""
        return self._connected_since is not None

    @property
    def frames(self) -> int:
        """Pictures read since the start."""
        return self._frames

    @property
    def dropped(self) -> int:
        """Pictures that a newer one replaced before the vision thread took them."""
        return self._latest.dropped

    @property
    def last_error(self) -> str | None:
        """Why the camera is not, or lately was not, connected; without passwords."""
        return self._last_error

    @property
    def ended(self) -> bool:
        """A file was played to its end."""
        return self._ended

    @property
    def failed(self) -> bool:
        """`on_failure` was told why, and no more pictures come."""
        return self._failed

    def _run(self) -> None:
        self._last_error = None
        try:
            camera = self._make_camera()
            if camera.live:
                self._watch(camera)
            else:
                self._play(camera)
        except Exception as error:  # noqa: BLE001 - it belongs to the daemon, which decides
            self._last_error = str(error) or type(error).__name__
            self._connected_since = None
            if not self._stopping.is_set():
                self._failed = True
                self._on_failure(error)
        else:
            self._connected_since = None
            self._latest.close()

    def _play(self, camera: Camera) -> None:
        """Shows a file once, or for ever where it loops."""
        try:
            camera.open()
            self._deliver_all(camera)
        finally:
            camera.close()
        if not self._stopping.is_set():
            self._ended = True
            _log.info("camera %s: %s has ended", self.name, camera.describe())

    def _watch(self, camera: Camera) -> None:
        """Keeps a live camera connected until `stop`."""
        backoff = Backoff(_FIRST_DELAY_S, self._longest_delay_s)
        while not self._stopping.is_set():
            try:
                problem = self._connection(camera)
                # Told before it is closed: closing a camera whose driver hangs may hang as well.
                if not self._stopping.is_set():
                    if self._connected_since is not None and time.monotonic() - self._connected_since >= _STABLE_S:
                        backoff.reset()
                    self._lost(problem)
            finally:
                camera.close()
            self._stopping.wait(backoff.next())

    def _connection(self, camera: Camera) -> str:
        """Opens it and delivers its pictures; returns what ended that."""
        try:
            camera.open()
            self._deliver_all(camera)
        except MaskdError as error:
            return str(error)
        return f"{camera.describe()} has ended its stream"

    def _deliver_all(self, camera: Camera) -> None:
        while not self._stopping.is_set():
            frame = camera.read()
            if frame is None or self._stopping.is_set():
                return
            self._deliver(frame, camera)

    def _deliver(self, frame: Frame, camera: Camera) -> None:
        now = time.monotonic()
        if self._connected_since is None:
            self._connected_since = now
            self._reported_lost = False
            _log.info("camera %s: connected to %s, %d x %d pixels", self.name, camera.describe(), *frame.pixels.size)
        self._frames += 1
        self._latest.put(frame)

    def _lost(self, problem: str) -> None:
        self._connected_since = None
        self._last_error = problem
        # Once for each loss: a camera that stays away for a week must not fill the log.
        _log.log(
            logging.DEBUG if self._reported_lost else logging.WARNING,
            "camera %s: %s; trying again until it comes back",
            self.name,
            problem,
        )
        self._reported_lost = True
