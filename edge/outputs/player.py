"""Plays samples through ALSA, with the program aplay."""

from __future__ import annotations

import os
import subprocess
import threading

from edge.errors import MaskdError
from edge.outputs.pcm import Pcm

_SLACK_S = 5.0
"""Seconds that aplay may take beyond the sound itself."""


class Player:
    """One sound at a time. `stop` may be called from any thread."""

    def __init__(self, device: str | None) -> None:
        """`device`: a name of ALSA's; None: the default."""
        self._device = device
        self._lock = threading.Lock()
        """Guards what follows."""
        self._process: subprocess.Popen[bytes] | None = None
        self._may_play = True

    def allow(self, may_play: bool) -> None:
        """With False, nothing is heard from the return of this call on, until it is called with True."""
        with self._lock:
            self._may_play = may_play
            if self._process is not None and not may_play:
                self._process.kill()

    def play(self, sound: Pcm) -> None:
        """Returns when it has been heard, or was ended by `allow`. Raises MaskdError."""
        with self._lock:
            if not self._may_play:
                return
            process = self._process = self._begin(sound)
        try:
            _, errors = process.communicate(sound.samples, timeout=sound.seconds + _SLACK_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise MaskdError(f"aplay did not end in time; check the sound device {self._device or 'default'}") from None
        finally:
            with self._lock:
                self._process = None
        if process.returncode != 0 and self._may_play:
            raise MaskdError(_reason(errors.decode("utf-8", "replace"), self._device))

    def _begin(self, sound: Pcm) -> subprocess.Popen[bytes]:
        form = ["--file-type=raw", "--format=S16_LE", f"--channels={sound.channels}", f"--rate={sound.rate}"]
        command = ["aplay", "--quiet", *form, *([] if self._device is None else [f"--device={self._device}"])]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
        except FileNotFoundError:
            raise MaskdError("aplay is not installed; sudo apt install alsa-utils") from None
        except OSError as error:
            raise MaskdError(f"aplay cannot be started: {error.strerror}") from None


def _reason(said: str, device: str | None) -> str:
    last = (said.strip().splitlines() or ["no message"])[-1].removeprefix("aplay: ")[:120]
    name = "the default sound device" if device is None else f"the sound device {device}"
    if "busy" in said:
        return f"{name} is in use by another program; end that, or choose another device"
    if "ermission denied" in said or "not permitted" in said:
        return f"maskd may not use {name}; allow the service sound as docs/outputs.md describes"
    if "No such" in said or "cannot find card" in said:
        return (
            f"{name} is not there, or maskd may not use it; set device to one that `aplay -L` lists, and allow the "
            "service sound as docs/outputs.md describes"
        )
    return f"{name} cannot play: {last}; try `aplay` by hand"
