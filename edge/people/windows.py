"""How many people each camera saw in a span of time, and how they wore their masks: pure logic that takes the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edge.payloads.payload import timestamp
from edge.payloads.reports import Window
from edge.payloads.statuses import UNKNOWN
from edge.people.transition import Transition


class WindowCounts:
    """Counts the people of consecutive windows; one who stays for several counts in each."""

    def __init__(self, device: str, cameras: Iterable[str], *, window_s: float, now: float) -> None:
        """The first window begins at `now`, in monotonic seconds."""
        self._device = device
        self.window_s = window_s
        """May be changed at any time; the window that is open ends by the new length."""
        self._begin = now
        self._people: dict[str, dict[str, Transition]] = {}
        """The latest of each person of this window, by camera and track."""
        self.watch(cameras)

    def watch(self, cameras: Iterable[str]) -> None:
        """From now on these have windows; another one has its last when this one is over and its people have gone."""
        self._cameras = set(cameras)
        for camera in self._cameras:
            self._people.setdefault(camera, {})

    def observe(self, transition: Transition) -> None:
        """A camera that was not named is counted from its first person on."""
        self._people.setdefault(transition.camera, {})[transition.track] = transition

    def is_over(self, now: float) -> bool:
        return now - self._begin >= self.window_s

    def close(self, now: float, *, wall_offset: float) -> list[Window]:
        """Every camera's window up to `now`; the next one begins there with those who are still present.

        `wall_offset`: seconds from monotonic time to seconds since 1970.
        """
        begin, self._begin = self._begin, now
        windows = [
            _window(self._device, camera, people, timestamp(begin + wall_offset), timestamp(now + wall_offset))
            for camera, people in self._people.items()
        ]
        still_here = {
            camera: {track: person for track, person in people.items() if person.type != "ended"}
            for camera, people in self._people.items()
        }
        self._people = {c: people for c, people in still_here.items() if people or c in self._cameras}
        return windows


def _window(device: str, camera: str, people: dict[str, Transition], begin: str, end: str) -> Window:
    judged = [person for person in people.values() if person.status != UNKNOWN]
    compliant = sum(person.compliant for person in judged)
    return Window(
        device=device,
        camera=camera,
        begin=begin,
        end=end,
        people=len(people),
        counts=dict(Counter(person.status for person in people.values())),
        compliance_rate=round(compliant / len(judged), 4) if judged else None,
    )
