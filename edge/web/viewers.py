"""Who watches, and what each of them is to be sent next. Everything here belongs to the event loop's thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

MOST_TEXTS = 50
"""Texts that wait for a slow browser; past this it hears only that it has missed some."""
MISSED = '{"type":"missed"}'


class Viewer:
    """One browser: at most one picture of each camera waits for it."""

    def __init__(self, on_taken: Callable[[], None]) -> None:
        self.cameras: frozenset[str] = frozenset()
        self.tab: str | None = None
        """Where other rules are tried, whose people it sees as well."""
        self._on_taken = on_taken
        self._pictures: dict[str, bytes] = {}
        self._texts: deque[str] = deque()
        self._wake = asyncio.Event()
        self.dropped = 0
        """Pictures that a newer one replaced before they were sent."""

    def lacks(self, camera: str) -> bool:
        """Whether it watches this camera and has taken the last picture: only then another one is of use."""
        return camera in self.cameras and camera not in self._pictures

    def watch(self, cameras: Collection[str], tab: str | None = None) -> None:
        self.cameras, self.tab = frozenset(cameras), tab
        self._pictures = {name: data for name, data in self._pictures.items() if name in self.cameras}

    def show(self, camera: str, message: bytes) -> None:
        if camera in self.cameras:
            self.dropped += camera in self._pictures
            self._pictures[camera] = message
            self._wake.set()

    def tell(self, text: str) -> None:
        if len(self._texts) >= MOST_TEXTS:
            self._texts.clear()
            text = MISSED
        self._texts.append(text)
        self._wake.set()

    def forget_pictures(self) -> None:
        self._pictures.clear()

    def forget_texts(self) -> None:
        self._texts.clear()

    async def next(self) -> str | bytes:
        """Waits for what is to be sent."""
        while not (self._texts or self._pictures):
            self._wake.clear()
            await self._wake.wait()
        if self._texts:
            return self._texts.popleft()
        camera = next(iter(self._pictures))
        message = self._pictures.pop(camera)
        self._on_taken()
        return message


class Viewers:
    def __init__(self, on_wanted: Callable[[frozenset[str]], None]) -> None:
        """`on_wanted` hears of which cameras a picture is of use to someone, whenever that changes."""
        self._on_wanted = on_wanted
        self._all: set[Viewer] = set()
        self._wanted: frozenset[str] = frozenset()
        self.tabs: frozenset[str] = frozenset()
        """Of all viewers; replaced as a whole, for any thread."""

    def __len__(self) -> int:
        return len(self._all)

    def add(self) -> Viewer:
        viewer = Viewer(self.look_again)
        self._all.add(viewer)
        return viewer

    def remove(self, viewer: Viewer) -> None:
        self._all.discard(viewer)
        self.look_again()

    def show(self, camera: str, message: bytes, of_tabs: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """`of_tabs`: another message for those that try other rules."""
        for viewer in self._all:
            viewer.show(camera, of_tabs.get(viewer.tab or "", message))
        self.look_again()

    def tell(self, text: str) -> None:
        for viewer in self._all:
            viewer.tell(text)

    def forget(self) -> None:
        """What waits is not to be seen any more."""
        for viewer in self._all:
            viewer.forget_pictures()
            viewer.forget_texts()
        self.look_again()

    def look_again(self) -> None:
        self.tabs = frozenset(viewer.tab for viewer in self._all if viewer.tab is not None)
        watched = frozenset(camera for viewer in self._all for camera in viewer.cameras)
        wanted = frozenset(camera for camera in watched if any(viewer.lacks(camera) for viewer in self._all))
        if wanted != self._wanted:
            self._wanted = wanted
            self._on_wanted(wanted)
