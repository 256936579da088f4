"""An asyncio loop in a thread, for the parts of the demo that are written for asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class LoopThread:
    """Runs coroutines in a named thread of its own, between `start` and `stop`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        # A connection that breaks during the stop does not matter, but asyncio would print it.
        self._loop.set_exception_handler(lambda *_: None)
        self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Result], *, timeout_s: float) -> Result:
        """Runs `work` in the loop and waits for its result.

        Raises what it raised, or TimeoutError after `timeout_s`; it is then cancelled.
        """
        assert self._loop is not None, "start first"
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout_s), self._loop)
        try:
            return future.result()
        except asyncio.TimeoutError as error:  # a class of its own before Python 3.11
            raise TimeoutError(f"no answer within {timeout_s:g} s") from error

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` in the loop until it ends or the loop stops."""
        assert self._loop is not None, "start first"
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """Cancels what still runs and ends the thread; harmless where nothing was started."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_everything(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None


async def _cancel_everything() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=2) if tasks else None
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.sleep(0)  # what was closed just now is let go of in the next round
