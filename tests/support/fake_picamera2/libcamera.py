"""As much of libcamera's Python module as picamera2's users touch."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True)
class Transform:
    """libcamera's keyword arguments; a transposition is a quarter turn, which no Raspberry Pi's hardware does."""

    rotation: int = 0
    hflip: int = 0
    vflip: int = 0
    transpose: int = 0


@dataclass(frozen=True)
class ColorSpace:
    """How RGB becomes YUV: the share of red and blue in the brightness. All three presets that picamera2 knows."""

    name: str
    red: float
    blue: float
    full_range: bool

    @classmethod
    def Sycc(cls) -> ColorSpace:  # noqa: N802 - libcamera's name
        return cls("sYCC", 0.299, 0.114, True)

    @classmethod
    def Smpte170m(cls) -> ColorSpace:  # noqa: N802
        return cls("SMPTE170M", 0.299, 0.114, False)

    @classmethod
    def Rec709(cls) -> ColorSpace:  # noqa: N802
        return cls("Rec709", 0.2126, 0.0722, False)


class controls:  # noqa: N801
    class AfModeEnum(enum.IntEnum):
        Manual = 0
        Auto = 1
        Continuous = 2
