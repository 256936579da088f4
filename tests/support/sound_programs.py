"""Programs in the place of aplay and espeak-ng, which write down what they were given."""

from __future__ import annotations

import io
import json
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

RATE = 8000

_APLAY = """#!{python} -IS
import json, pathlib, sys, time
folder = pathlib.Path({folder!r})
samples = sys.stdin.buffer.read()
with (folder / "played").open("a") as played:
    played.write(json.dumps([sys.argv[1:], samples.hex()]) + "\\n")
if (folder / "error").exists():
    sys.stderr.write((folder / "error").read_text())
    sys.exit(1)
if any(samples):
    while (folder / "hold").exists():
        time.sleep(0.01)
"""

_ESPEAK = """#!{python} -IS
import pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "spoken").open("a") as spoken:
    spoken.write(repr((sys.argv[1:], sys.stdin.read())) + "\\n")
if "xx" in sys.argv:
    sys.exit("Error: The specified espeak-ng voice does not exist.")
sys.stdout.buffer.write((folder / "voice.wav").read_bytes())
"""


@dataclass(frozen=True, slots=True)
class Played:
    arguments: list[str]
    samples: bytes

    @property
    def is_silence(self) -> bool:
        return not any(self.samples)


class SoundPrograms:
    """Alone on PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        for name, code in (("aplay", _APLAY), ("espeak-ng", _ESPEAK)):
            program = folder / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(code.format(python=sys.executable, folder=str(folder)))
            program.chmod(0o755)
        (folder / "voice.wav").write_bytes(wav(tone(0.05)))
        monkeypatch.setenv("PATH", str(folder / "bin"))

    @property
    def played(self) -> list[Played]:
        """What was heard, and silence."""
        lines = self._lines("played")
        return [Played(arguments, bytes.fromhex(samples)) for arguments, samples in map(json.loads, lines)]

    @property
    def heard(self) -> list[Played]:
        return [one for one in self.played if not one.is_silence]

    @property
    def spoken(self) -> list[str]:
        return self._lines("spoken")

    def hold(self, holds: bool) -> None:
        """While it holds, no sound ends."""
        self._flag("hold", "" if holds else None)

    def fail(self, words: str | None) -> None:
        """aplay ends with these words; None: it works."""
        self._flag("error", words)

    def remove(self, name: str) -> None:
        (self._folder / "bin" / name).unlink()

    def _flag(self, name: str, words: str | None) -> None:
        path = self._folder / name
        path.unlink(missing_ok=True)
        if words is not None:
            path.write_text(words)

    def _lines(self, name: str) -> list[str]:
        path = self._folder / name
        return (
            [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if path.exists()
            else []
        )


def tone(seconds: float, channels: int = 1) -> np.ndarray:
    """440 Hz, as loud as can be; samples x channels, 16 bits."""
    wave_of_one = np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE) * 32767
    return np.repeat(wave_of_one.astype("<i2")[:, None], channels, axis=1)


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(samples.shape[1])
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples.tobytes())
    return file.getvalue()
