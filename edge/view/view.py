"""Whether what one camera shows can be judged: frozen, dark, covered, moved and so on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge.payloads.view_fault import VIEW_FAULTS, ViewFault
from edge.view.face_sizes import FaceSizes
from edge.view.hold import Hold
from edge.view.judging import fault_of_light, is_blurred
from edge.view.measures import Grey, Measures, measured
from edge.view.scene_memory import SceneMemory
from edge.vision.pixels import Pixels

INTERVAL_S = 1.0
"""Between two looks."""
MOVED_AFTER_S = 60.0
"""At least: someone may stand close to the camera for a while."""
_INTERRUPTED_S = 15.0


@dataclass(frozen=True, slots=True)
class ViewRules:
    warn_of: frozenset[ViewFault] = frozenset(VIEW_FAULTS)
    warn_after_s: float = 30.0
    frozen_after_s: float = 300.0


NO_CHECKS = ViewRules(frozenset())


class View:
    """Of one camera. It belongs to the thread that looks, except for `faults` and `needed_px`. Pure logic: it takes the
    time."""

    def __init__(self, rules: ViewRules) -> None:
        self.faults: tuple[ViewFault, ...] = ()
        """What is wrong, in a fixed order; replaced as a whole."""
        self.needed_px = 0.0
        """The height of the smallest face that the models take reliably on this picture."""
        self._rules = rules
        self._holds: dict[ViewFault, Hold] = {}
        self._memory = SceneMemory()
        self._sizes = FaceSizes()
        self._sample: Grey | None = None
        self._changed_at = 0.0
        self._looked_at: float | None = None

    def adjust(self, rules: ViewRules) -> None:
        self._rules = rules

    def forget_scene(self) -> None:
        """From now on it is meant to show what it shows."""
        self._memory = SceneMemory()
        self._holds.pop("moved", None)

    def look(self, pixels: Pixels, heights: Mapping[str, float], needed_px: float, now: float) -> None:
        """At a picture, at most once a second.

        `heights`: in pixels, of the faces of people on it, by their tracks."""
        rules, before = self._rules, self._looked_at
        if not rules.warn_of:
            self.faults, self._looked_at = (), None
            return
        if before is not None and 0 <= now - before < INTERVAL_S:
            return
        if before is None or now - before > _INTERRUPTED_S:
            self._interrupt(now)
        self._looked_at, self.needed_px = now, needed_px
        found = self._found(pixels, heights, now)
        self.faults = tuple(fault for fault in VIEW_FAULTS if self._counts(fault, fault in found, now))

    def _found(self, pixels: Pixels, heights: Mapping[str, float], now: float) -> set[ViewFault]:
        wanted, found = self._rules.warn_of, set[ViewFault]()
        if "small_faces" in wanted and self._sizes.add(heights, self.needed_px, now):
            found.add("small_faces")
        if wanted == {"small_faces"}:
            return found
        measures = measured(pixels)
        light = fault_of_light(measures, self.faults)
        if self._is_frozen(measures, now) and light != "dark":  # black is black, without any noise
            found.add("frozen")
        if light is not None:
            found.add(light)
        elif is_blurred(measures, self.faults):
            found.add("blurred")
        # Of a picture that shows nothing it cannot be said, and what was true before is kept.
        shows_nothing = light in ("dark", "overexposed", "covered")
        if "moved" in self.faults if shows_nothing else self._memory.is_moved(measures, now):
            found.add("moved")
        return found & wanted

    def _is_frozen(self, measures: Measures, now: float) -> bool:
        if self._sample is None or not np.array_equal(self._sample, measures.sample):
            self._sample, self._changed_at = measures.sample, now
        return now - self._changed_at >= self._rules.frozen_after_s

    def _counts(self, fault: ViewFault, is_found: bool, now: float) -> bool:
        if fault not in self._rules.warn_of:
            self._holds.pop(fault, None)
            return False
        after_s = self._rules.warn_after_s
        if fault in ("frozen", "small_faces"):  # they have lasted already
            after_s = 0.0
        elif fault == "moved":
            after_s = max(after_s, MOVED_AFTER_S)
        return self._holds.setdefault(fault, Hold()).update(is_found, now, after_s)

    def _interrupt(self, now: float) -> None:
        self._changed_at = now
        for hold in self._holds.values():
            hold.interrupt()
