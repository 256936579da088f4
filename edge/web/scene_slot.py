"""Hands the newest scene of each camera that someone watches to a slower thread, and drops the rest."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from edge.people.scene import Scene

MOST_FPS = 10.0


class SceneSlot:
    """One place per camera. The vision thread puts a scene there in microseconds and never waits."""

    def __init__(self, most_fps: float = MOST_FPS) -> None:
        self._gap_s = 1 / most_fps
        self._changed = threading.Condition()
        """Guards what follows."""
        self._wanted: frozenset[str] = frozenset()
        self._scenes: dict[str, Scene] = {}
        self._next_at: dict[str, float] = {}
        self._is_closed = False

    def want(self, cameras: Collection[str]) -> None:
        """From now on these are watched, and no others."""
        with self._changed:
            self._wanted = frozenset(cameras)
            self._scenes = {name: scene for name, scene in self._scenes.items() if name in self._wanted}

    def put(self, scenes: Sequence[Scene], now: float) -> None:
        """A camera that is not watched, and one that has shown its pictures of this second, costs a look-up."""
        if not self._wanted:
            return
        with self._changed:
            for scene in scenes:
                if scene.frame is not None and scene.camera in self._wanted and self._is_due(scene.camera, now):
                    self._scenes[scene.camera] = scene
            if self._scenes:
                self._changed.notify()

    def take(self) -> list[Scene] | None:
        """The newest of each camera; waits until there is one. None: the slot was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._scenes)
            scenes, self._scenes = [*self._scenes.values()], {}
            return None if self._is_closed else scenes

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._wanted, self._scenes = frozenset(), {}
            self._changed.notify_all()

    def _is_due(self, camera: str, now: float) -> bool:
        next_at = self._next_at.get(camera, now)
        if now < next_at:
            return False
        self._next_at[camera] = max(next_at, now - self._gap_s) + self._gap_s
        return True
