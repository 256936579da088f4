"""What the daemon asks of each of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.system.deadline import Deadline

if TYPE_CHECKING:
    from edge.config import Config


@dataclass(frozen=True, slots=True)
class PartStatus:
    """What a part tells of itself in the device's status."""

    problems: Sequence[str] = ()
    """Each a sentence that stays the same while the problem does, for a change is published at once."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `edge.payloads.reports.Status`; an object may be filled by several parts, each with keys of its own."""


class Part:
    """One part of the daemon, which overrides what it needs.

    The daemon calls `apply` and then `start`, each for all parts in the order of its list; `apply` again for each
    change of the configuration, and `tick` now and then; at the end `stop`, in the opposite order.
    """

    doing = "a part of maskd"
    """What the log blames where the start or the stop of this part hangs."""
    stop_s = 0.5
    """Seconds that a stop may take."""
    kept_s = 0.0
    """Seconds of the daemon's stop that the parts which stop earlier leave for this one."""

    def apply(self, config: Config) -> None:
        """From now on this configuration holds. Not from two threads at once."""

    def start(self) -> None:
        """Raises MaskdError where it cannot be of any use; an absent broker or camera is not such a reason."""

    def tick(self, now: float) -> None:
        """Called about twice a second in the main thread, never during apply(). `now` in monotonic seconds."""

    def stop(self, deadline: Deadline) -> None:
        """Ends what start() began, and may be called without it."""

    def status(self) -> PartStatus:
        """From any thread."""
        return PartStatus()

    @property
    def unsaved(self) -> int:
        """Events in its hands that neither a disk nor the broker has taken, counted without waiting for either."""
        return 0

    @property
    def is_settled(self) -> bool:
        """Whether what it depends on has been tried once, with or without success."""
        return True

    @property
    def progress(self) -> int | None:
        """A number that changes at least every few seconds while the part's thread works or idles; None: there is no
        thread that vision depends on."""
        return None
