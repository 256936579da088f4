"""A finding counts once it has lasted, and goes once it has been away for a while."""

from __future__ import annotations

CLEARS_S = 5.0


class Hold:
    def __init__(self) -> None:
        self.is_on = False
        self._since: float | None = None
        """Since when what is found differs from `is_on`."""

    def update(self, found: bool, now: float, after_s: float) -> bool:
        """Whether it counts. `after_s`: how long it must last."""
        if found == self.is_on:
            self._since = None
        elif self._since is None:
            self._since = now
        if self._since is not None and now - self._since >= (CLEARS_S if self.is_on else after_s):
            self.is_on, self._since = found, None
        return self.is_on

    def interrupt(self) -> None:
        """Nothing was looked at for a while: what was about to count begins again."""
        self._since = None
