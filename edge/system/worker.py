"""A thread that works in steps, and rests in between until there is something to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edge.system.deadline import Deadline

STOP_S = 3.0


class Worker:
    """Calls `step` again and again, in a thread of this name, until it is stopped."""

    def __init__(
        self,
        name: str,
        step: Callable[[float], float],
        *,
        on_failure: Callable[[BaseException], None],
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """`step` takes the monotonic time and returns for how many seconds it may rest. All three are called in the
        thread: `on_stop` at its end, `on_failure` with the error that ended it."""
        self._step = step
        self._on_failure = on_failure
        self._on_stop = on_stop
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """From any thread: the next step comes at once."""
        self._wake.set()

    def pause(self, seconds: float) -> None:
        """In the thread: waits this long, even if woken, unless it is stopped."""
        self._stopping.wait(seconds)

    def ask_to_stop(self) -> None:
        """Ends the thread after the step that it is at."""
        self._stopping.set()
        self._wake.set()

    def stop(self, deadline: Deadline | None = None) -> None:
        """Ends the thread after the step that it is at, and waits for that; without a deadline at most `STOP_S`."""
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join((deadline or Deadline(STOP_S)).left)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.wait(self._step(time.monotonic()))
                self._wake.clear()
            self._on_stop()
        except BaseException as error:  # noqa: BLE001 - it belongs to the daemon, which decides
            self._on_failure(error)
