"""The live view: one WebSocket for each browser, one encoder for all of them."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.camera.frame import DamagedPictureError
from edge.config import Config
from edge.control.settings_history import SettingsHistory
from edge.payloads.reports import Status
from edge.people.scene import Scene
from edge.web.event_feed import EventFeed
from edge.web.picture import encoded
from edge.web.scene_message import scene_message
from edge.web.scene_slot import SceneSlot
from edge.web.trials import Trials
from edge.web.viewers import Viewer, Viewers

MOST_VIEWERS = 16
STATUS_S = 1.0
"""Between two looks at the device's state while someone watches."""
TRY_LATER = 1013
"""The code by which one viewer too many is closed: RFC 6455's registry."""
SIGN_IN_AGAIN = 4401
"""The code by which a viewer is closed whose login is over."""

_log = logging.getLogger(__name__)


class Live:
    """Between `start` and `stop`, which the event loop calls."""

    def __init__(
        self,
        slot: SceneSlot,
        config: Callable[[], Config],
        status: Callable[[], Status],
        feed: EventFeed,
        trials: Trials,
        history: SettingsHistory,
    ) -> None:
        """`slot`: where the vision thread puts scenes. `config`: what is in effect."""
        self.pictures = 0
        """Encoded since the start."""
        self._slot = slot
        self._config = config
        self._status = status
        self._feed = feed
        self._trials = trials
        self._history = history
        self._viewers = Viewers(slot.want)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_open = asyncio.Event()
        """Somebody watches."""
        self._latest_status: str | None = None
        self._events_due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._thread = threading.Thread(target=self._encode_all, name="web-pictures", daemon=True)

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks = [self._loop.create_task(self._tell_status()), self._loop.create_task(self._tell_events())]
        self._thread.start()

    def stop(self) -> None:
        self._slot.close()
        for task in self._tasks:
            task.cancel()

    def privacy_changed(self) -> None:
        """From any thread: what waits for the browsers is dropped."""
        self._soon(self._viewers.forget)

    def events_came(self) -> None:
        """From any thread: the record has new lines."""
        if self._viewers:
            self._soon(self._events_due.set)

    def snapshot_kept(self, event: UUID) -> None:
        """From any thread: the picture of this event can be asked for."""
        if self._viewers:
            self._soon(self._tell_snapshot, f'{{"type":"snapshot","event":"{event}"}}')

    async def serve(self, socket: WebSocket) -> None:
        """One browser, which says by `{"watch": ["camera"]}` what it wants to see, until it goes; with `"tab"`, also
        what would be seen by the rules that are tried there."""
        if len(self._viewers) >= MOST_VIEWERS:
            await socket.accept()
            await socket.close(TRY_LATER, "too many browsers watch already; close some")
            return
        if not self._viewers:
            await run_in_threadpool(self._feed.skip_to_end)
        await socket.accept()
        viewer = self._viewers.add()
        if self._latest_status is not None:
            viewer.tell(self._latest_status)
        self._is_open.set()
        sender = asyncio.ensure_future(_send(socket, viewer))
        listener = asyncio.ensure_future(self._listen(socket, viewer))
        guard = asyncio.ensure_future(_login_ends(socket))
        try:
            done, _ = await asyncio.wait([sender, listener, guard], return_when=asyncio.FIRST_COMPLETED)
            if guard in done:
                with suppress(RuntimeError):
                    await socket.close(SIGN_IN_AGAIN)
        finally:
            self._viewers.remove(viewer)
            if not self._viewers:
                self._is_open.clear()
                self._latest_status = None
            for task in (sender, listener, guard):
                task.cancel()
            await asyncio.gather(sender, listener, guard, return_exceptions=True)

    async def _listen(self, socket: WebSocket, viewer: Viewer) -> None:
        with suppress(WebSocketDisconnect):
            while True:
                cameras, tab = _request_in(await socket.receive_text())
                viewer.watch([name for name in cameras if name in self._config().cameras], tab)
                self._viewers.look_again()

    async def _tell_status(self) -> None:
        """One look a second, however many watch."""
        while True:
            await self._is_open.wait()
            try:
                status = await run_in_threadpool(self._status)
                told = {"type": "status", "revision": self._history.revision()}
                text = json.dumps({**told, "status": status.model_dump(mode="json", by_alias=True)})
                self._viewers.tell(text)
                self._latest_status = text if self._viewers else None
            except Exception:  # noqa: BLE001 - the next look may do better
                _log.exception("the page cannot tell how the device is doing; please report it:")
            await asyncio.sleep(STATUS_S)

    async def _tell_events(self) -> None:
        while True:
            await self._events_due.wait()
            self._events_due.clear()
            for text in await run_in_threadpool(self._feed.new_events):
                if self._config().privacy == "events":
                    self._viewers.tell(f'{{"type":"event","event":{text}}}')

    def _tell_snapshot(self, text: str) -> None:
        if self._config().keeps_snapshots:
            self._viewers.tell(text)

    def _encode_all(self) -> None:
        while (scenes := self._slot.take()) is not None:
            for scene in scenes:
                try:
                    self._encode(scene)
                except DamagedPictureError:
                    pass  # the camera reports it
                except Exception:  # noqa: BLE001 - the next picture may do better
                    _log.exception("a picture cannot be shown on the page; please report it:")
                    time.sleep(1)  # a fault in every picture must not fill the log

    def _encode(self, scene: Scene) -> None:
        config = self._config()
        if config.privacy == "aggregate" or scene.camera not in config.cameras:
            return
        jpeg = encoded(scene, show_faces=config.web.show_faces)
        now = time.monotonic()
        wall_offset = time.time() - now
        message = scene_message(scene, jpeg, config, now, wall_offset)
        tried = self._trials.people(scene.camera, self._viewers.tabs)
        messages = {tab: scene_message(scene, jpeg, config, now, wall_offset, people) for tab, people in tried.items()}
        self.pictures += 1
        self._soon(self._show, scene.camera, message, messages)

    def _show(self, camera: str, message: bytes, of_tabs: Mapping[str, bytes]) -> None:
        if self._config().privacy == "events":
            self._viewers.show(camera, message, of_tabs)

    def _soon(self, call: Callable[..., Any], *arguments: Any) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(call, *arguments)


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    """Waits while the browser, or the way to it, is slow."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            message = await viewer.next()
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_text(message)


async def _login_ends(socket: WebSocket) -> None:
    """Returns once the login by which the browser came is over."""
    is_valid: Callable[[], bool] = socket.scope["is_valid"]
    while is_valid():
        await asyncio.sleep(STATUS_S)


def _request_in(text: str) -> tuple[Collection[str], str | None]:
    """Cameras, and the tab that tries other rules; empty where it is not a request."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        return (), None
    if not isinstance(asked, dict):
        return (), None
    cameras, tab = asked.get("watch"), asked.get("tab")
    names = [name for name in cameras if isinstance(name, str)] if isinstance(cameras, list) else ()
    return names, tab if isinstance(tab, str) else None
