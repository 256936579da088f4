"""Sound as samples: decoded from a file or from what a voice wrote, at the loudness that it is to have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler

LONGEST_S = 15.0
"""What is longer is cut off there."""
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Pcm:
    rate: int
    """Samples a second."""
    channels: int
    samples: bytes
    """16 bits, signed, little-endian, channels interleaved."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / (_SAMPLE_BYTES * self.channels * self.rate)

    def at_volume(self, percent: int) -> Pcm:
        scaled = np.frombuffer(self.samples, "<i2").astype(np.int32) * percent // 100
        return Pcm(self.rate, self.channels, scaled.astype("<i2").tobytes())

    def silence(self, seconds: float) -> Pcm:
        """So many seconds of it, in the same form."""
        return Pcm(self.rate, self.channels, bytes(round(self.rate * seconds) * self.channels * _SAMPLE_BYTES))


def decode(source: BinaryIO) -> Pcm:
    """At most the first LONGEST_S. Raises ValueError, whose text says why it is not a sound, and OSError."""
    import av
    import av.error

    try:
        with av.open(source) as container:
            if not container.streams.audio:
                raise ValueError("there is no sound in it")
            stream = container.streams.audio[0]
            channels = min(2, stream.channels)
            resampler = av.AudioResampler("s16", "mono" if channels == 1 else "stereo", stream.rate)
            wanted = round(LONGEST_S * stream.rate) * channels * _SAMPLE_BYTES
            samples = b"".join(_pieces(container.decode(stream), resampler, wanted))
    except av.error.FFmpegError as error:
        raise ValueError(error.strerror or "it cannot be decoded") from None
    if not samples:
        raise ValueError("there is no sound in it")
    return Pcm(stream.rate, channels, samples[:wanted])


def _pieces(frames: Iterator[AudioFrame], resampler: AudioResampler, wanted: int) -> Iterator[bytes]:
    """At least `wanted` bytes, where there are so many."""
    found = 0
    for frame in frames:
        for piece in resampler.resample(frame):
            taken = piece.to_ndarray().tobytes()
            found += len(taken)
            yield taken
        if found >= wanted:
            return
    for piece in resampler.resample(None):
        yield piece.to_ndarray().tobytes()
