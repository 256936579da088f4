"""Fewer pictures while the board throttles from heat: a slowed processor would fall behind, and stay hot."""

from __future__ import annotations

from edge.system.board import HOT_C

COOL_C = HOT_C - 5.0
"""Below this the usual rate holds again; so the rate does not change every few seconds."""


class Cooling:
    """Pure logic."""

    def __init__(self) -> None:
        self.is_on = False

    def update(self, temperature_c: float | None) -> bool:
        """Whether to save work at this temperature of the processor in degrees Celsius; None: it is not known."""
        if temperature_c is None:
            self.is_on = False
        elif temperature_c >= HOT_C:
            self.is_on = True
        elif temperature_c < COOL_C:
            self.is_on = False
        return self.is_on


def problem(fps: float) -> str:
    return (
        f"vision looks at {fps:g} pictures a second of each camera until the processor has cooled down to "
        f"{COOL_C:.0f} °C (runtime.hot_fps); improve its ventilation, or add a heat sink"
    )
