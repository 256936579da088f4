"""The clip of `source: demo` and `maskd demo`, drawn by `tools/demo_clip/`: who comes to the counter."""

from __future__ import annotations

from pathlib import Path

CLIP = Path(__file__).with_name("clip.mp4")
CLIP_S = 24.0
"""How long it is, in seconds."""
PEOPLE = {
    "A": "comes in from the left with a mask, waits, goes back",
    "B": "comes in from the right without a mask and stays next to A for a while",
    "C": "comes in from the left with the mask under the nose, and pulls it up",
}
"""The people who come to the counter, in this order."""
