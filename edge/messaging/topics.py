"""The names of the topics that one device publishes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics below `<prefix>/<device>/`; both are checked where the configuration is read."""

    prefix: str
    device: str

    @property
    def availability(self) -> str:
        """Retained `online` or `offline`, the latter also as the will."""
        return f"{self.prefix}/{self.device}/availability"

    @property
    def status(self) -> str:
        return f"{self.prefix}/{self.device}/status"

    def event(self, camera: str) -> str:
        return f"{self.prefix}/{self.device}/{camera}/event"

    def compliance(self, camera: str) -> str:
        """The retained counts of the latest window."""
        return f"{self.prefix}/{self.device}/{camera}/compliance"
