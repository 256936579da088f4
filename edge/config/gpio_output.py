"""The settings of a relay, buzzer or lamp at a pin."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge.config.fields import Settings
from edge.config.traits import LIVE


class GpioSettings(Settings):
    pin: Annotated[int, Field(ge=0, le=27), LIVE]
    """The pin's GPIO number (BCM), which is not its position on the header; `pinout` shows both."""
    active: Annotated[Literal["high", "low"], LIVE] = "high"
    """The level that switches on; many relay boards need low."""
    mode: Annotated[Literal["pulse", "while"], LIVE] = "pulse"
    """pulse: on for pulse_s when a rule acts; while: on while a rule's occasion is there."""
    pulse_s: Annotated[float, Field(ge=0.05, le=60), LIVE] = 2.0
    """Seconds of a pulse. Another one meanwhile prolongs it."""
    most_s: Annotated[float, Field(ge=1, le=86_400), LIVE] = 600.0
    """Seconds after which `while` switches off all the same, until the occasion is over and comes back."""
