"""What the page may ask of the daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.config import Config
from edge.control.audit import By
from edge.control.changes import Changes
from edge.payloads.reports import Status, Totals
from edge.people.observations import ObservationLog
from edge.vision.thresholds import Recommendations


@dataclass(frozen=True, slots=True)
class Device:
    """To be called in any thread."""

    changes: Changes
    """The one door by which a setting is changed."""
    effective: Callable[[Config, str | None, str], bool | float | str]
    """`effective(config, camera, setting)`: the value in effect, which a model may recommend."""
    observations: ObservationLog
    """What the cameras saw in the last minutes, without a picture."""
    recommended: Recommendations
    """Of the models."""
    status: Callable[[], Status]
    totals: Callable[[], Sequence[Totals]]
    """How many people came; in `aggregate` as of closed windows."""
    on_change: Callable[[], None]
    """A setting was changed from the page."""
    note: Callable[[str, str, By], None]
    """Adds a line to the log of changed settings: what was done, how, and by whom."""
