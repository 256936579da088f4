"""The names of the topics that one device publishes on and listens to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics below `<prefix>/<device>/`; both are checked where the configuration is read."""

    prefix: str
    device: str

    @property
    def base(self) -> str:
        """What every topic of this device begins with, without the slash."""
        return f"{self.prefix}/{self.device}"

    @property
    def availability(self) -> str:
        """Retained `online` or `offline`, the latter also as the will."""
        return f"{self.base}/availability"

    @property
    def status(self) -> str:
        return f"{self.base}/status"

    @property
    def check(self) -> str:
        """Where `maskd check` sends itself a message."""
        return f"{self.base}/check"

    def below(self, camera: str) -> str:
        """What every topic of one camera begins with, without the slash."""
        return f"{self.base}/{camera}"

    def camera(self, camera: str) -> str:
        """Retained `online` while the camera gives pictures, `offline` otherwise."""
        return f"{self.below(camera)}/camera"

    def event(self, camera: str) -> str:
        return f"{self.below(camera)}/event"

    def compliance(self, camera: str) -> str:
        """The retained counts of the latest window."""
        return f"{self.below(camera)}/compliance"

    def presence(self, camera: str) -> str:
        """The people present now, retained, published on every change."""
        return f"{self.below(camera)}/presence"

    def totals(self, camera: str) -> str:
        """The retained numbers of visits and violations, today and ever."""
        return f"{self.below(camera)}/totals"

    def snapshot(self, camera: str) -> str:
        """The retained picture of the latest event, a JPEG with every face made unrecognisable."""
        return f"{self.below(camera)}/snapshot"

    def set(self, setting: str, camera: str | None = None) -> str:
        """Where a new value is asked for; `camera` None: a setting of the whole device."""
        return f"{self._setting(setting, camera)}/set"

    def state(self, setting: str, camera: str | None = None) -> str:
        """The retained value in effect, and the answer to what was asked for."""
        return f"{self._setting(setting, camera)}/state"

    def _setting(self, setting: str, camera: str | None) -> str:
        return f"{self.base}/{setting}" if camera is None else f"{self.below(camera)}/{setting}"
