"""`maskd demo`, and the clip that it plays: drawn by edge.demo.clip, and shipped, so that no device has to draw it."""

from __future__ import annotations

from pathlib import Path

CLIP = Path(__file__).with_name("clip.mp4")
