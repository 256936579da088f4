"""What is wrong with one picture. What was wrong before stays so until it is clearly better, so that nothing flaps."""

from __future__ import annotations

from collections.abc import Collection

from edge.payloads.view_fault import ViewFault
from edge.view.measures import Measures

# Measured on 450 photos of streets, rooms and people: see docs/cameras.md.
_DARK, _DARK_STILL = 30, 40
_WHITE, _WHITE_STILL = 0.6, 0.5
_DETAILED, _DETAILED_STILL = 0.08, 0.12
_BRIGHT, _BRIGHT_STILL = 0.2, 0.15
_SHADE, _SHADE_STILL = 0.45, 0.4
_SHARP, _SHARP_STILL = 0.2, 0.25


def fault_of_light(measures: Measures, before: Collection[ViewFault]) -> ViewFault | None:
    """The first that applies: nothing else can be said of a dark picture. `before`: what was wrong until now."""
    if measures.highlight < (_DARK_STILL if "dark" in before else _DARK):
        return "dark"
    if measures.white >= (_WHITE_STILL if "overexposed" in before else _WHITE):
        return "overexposed"
    was_backlit = "backlit" in before
    is_bright = measures.bright >= (_BRIGHT_STILL if was_backlit else _BRIGHT)
    if is_bright and measures.shade >= (_SHADE_STILL if was_backlit else _SHADE):
        return "backlit"
    return "covered" if measures.detailed < (_DETAILED_STILL if "covered" in before else _DETAILED) else None


def is_blurred(measures: Measures, before: Collection[ViewFault]) -> bool:
    limit = _SHARP_STILL if "blurred" in before else _SHARP
    return measures.sharpness is not None and measures.sharpness < limit
