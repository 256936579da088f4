"""What each browser's tab tries out: rules that judge the people of one camera next to the rules in effect."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from edge.people.observations import Look, ObservationLog
from edge.people.scene import Person
from edge.people.shadow import Shadow
from edge.people.watched_camera import CameraRules

MOST = 16
"""Past this many, the one that was put first is over."""


@dataclass(slots=True)
class Trial:
    camera: str
    today: CameraRules
    changed: CameraRules
    is_over: bool = False
    """A newer one has taken its place."""
    shadow: Shadow | None = field(default=None, repr=False)
    """Of the thread that makes pictures, once it is put."""


class Trials:
    """From any thread."""

    def __init__(self, observations: ObservationLog) -> None:
        self._observations = observations
        self._lock = threading.Lock()
        self._of_tabs: OrderedDict[str, Trial] = OrderedDict()

    def put(self, tab: str, trial: Trial) -> tuple[Look, Sequence[Person]] | None:
        """Learns who is there first, so that the next picture shows what the trial makes of them. Returns the newest
        picture with its people; None: nothing was observed yet."""
        if (before := self.get(tab)) is not None:
            before.is_over = True  # at once: its replay only delays this
        seen = self._seen(trial)
        with self._lock:
            self._of_tabs.pop(tab, None)
            while len(self._of_tabs) >= MOST:
                self._of_tabs.popitem(last=False)[1].is_over = True
            self._of_tabs[tab] = trial
        return seen

    def _seen(self, trial: Trial) -> tuple[Look, Sequence[Person]] | None:
        observed = self._observations.of_camera(trial.camera)
        if observed is None:
            return None
        trial.shadow = Shadow(observed, self._observations.labels, trial.changed)
        people = trial.shadow.people()
        return None if trial.shadow.newest is None else (trial.shadow.newest, people)

    def get(self, tab: str) -> Trial | None:
        return self._of_tabs.get(tab)

    def clear(self) -> None:
        with self._lock:
            for trial in self._of_tabs.values():
                trial.is_over = True
            self._of_tabs.clear()

    def people(self, camera: str, tabs: Collection[str]) -> dict[str, Sequence[Person]]:
        """From the thread that makes pictures: by tab, who is on the newest picture of a camera by the rules that are
        tried there."""
        with self._lock:
            trials = [(tab, trial) for tab, trial in self._of_tabs.items() if tab in tabs and trial.camera == camera]
        observed = self._observations.of_camera(camera)
        if observed is None:
            return {}
        people: dict[str, Sequence[Person]] = {}
        for tab, trial in trials:
            if trial.shadow is None:
                trial.shadow = Shadow(observed, self._observations.labels, trial.changed)
            people[tab] = trial.shadow.people()
        return people
