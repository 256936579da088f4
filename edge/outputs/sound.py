"""Plays a file, or speaks a sentence: never two sounds at once over all outputs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from edge.config.day_span import is_within
from edge.config.sound_output import SoundSettings
from edge.config.template import filled
from edge.errors import MaskdError
from edge.outputs.momentary_output import IDLE_S, MOST_AGE_S, MomentaryOutput
from edge.outputs.pcm import Pcm, decode
from edge.outputs.player import Player
from edge.outputs.speech import speak
from edge.payloads.action import Action
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0
_SILENCE_S = 0.1

_speaking = threading.Lock()
"""Held by the output that is heard. Another one that is to sound meanwhile is dropped: a person hears one out."""

_log = logging.getLogger(__name__)


class Sound(MomentaryOutput):
    def __init__(self, setting: str, settings: SoundSettings, *, on_failure: Callable[[BaseException], None]) -> None:
        super().__init__(setting, on_failure=on_failure)
        self._settings = settings
        self._player = Player(settings.device)
        self._next: tuple[Action, float] | None = None
        """What is to be heard, and since when, in monotonic seconds."""
        self.dropped = 0
        """Actions that came while a sound was heard, since the start."""
        self._try_at: float | None = 0.0
        """When it is to be tried whether it works, in monotonic seconds; None: it did when it was last used."""
        self._backoff = Backoff(FIRST_RETRY_S, LAST_RETRY_S)
        self._prepared: tuple[str, Pcm] | None = None
        """The latest sentence, with its sound."""

    def take(self, action: Action) -> None:
        quiet = self._settings.quiet
        if quiet is None or not is_within(quiet, datetime.now().astimezone().time()):
            self._next = action, time.monotonic()

    def withhold(self, withholds: bool) -> None:
        self._withholds = withholds
        self._player.allow(not withholds)
        self._worker.wake()

    def stop(self, deadline: Deadline) -> None:
        self._worker.ask_to_stop()
        self._player.allow(False)
        super().stop(deadline)

    def work(self, now: float) -> float:
        if self._withholds:
            self._next = None
            return IDLE_S
        if self._next is not None:
            action, asked_at = self._next
            if now - asked_at <= MOST_AGE_S:
                self._sound(action)
            self._next = None  # what came while it was heard is dropped, too
        elif self._try_at is not None and now >= self._try_at:
            self._do(self.try_out)
        return IDLE_S if self._try_at is None else min(IDLE_S, max(0.05, self._try_at - time.monotonic()))

    def try_out(self) -> str:
        """Plays silence, so that a missing device shows before a sound is needed."""
        sound = self._made("" if self._settings.say is None else self._settings.say)
        self._player.play(sound.silence(_SILENCE_S))
        what = "the voice speaks" if self._settings.file is None else f"{sound.seconds:.1f} s of sound"
        return f"{what}; {self._settings.device or 'the default device'} was tried with silence"

    def _sound(self, action: Action) -> None:
        def play() -> None:
            sentence = filled(self._settings.say or "", action.model_dump(mode="json"))
            sound = self._made(sentence)
            _log.info("%s: %s", self.setting, sentence or f"plays {self._settings.file}")
            self._player.play(sound)

        if not self._do(play):
            self.dropped += 1
            _log.debug("%s: another sound is heard; %d dropped so far", self.setting, self.dropped)

    def _do(self, act: Callable[[], object]) -> bool:
        """Whether it was done, with success or not: another sound was not heard."""
        if not _speaking.acquire(blocking=False):
            return False
        try:
            act()
        except MaskdError as error:
            self.fails(str(error))
            self._try_at = time.monotonic() + max(0.5, self._backoff.next())
        else:
            self.works()
            self._try_at = None
            self._backoff.reset()
        finally:
            _speaking.release()
        return True

    def _made(self, sentence: str) -> Pcm:
        """Of the file, or of this sentence. Raises MaskdError."""
        settings = self._settings
        if self._prepared is None or self._prepared[0] != sentence:
            sound = speak(sentence, settings.language) if settings.file is None else self._read()
            self._prepared = (sentence, sound.at_volume(settings.volume))
        return self._prepared[1]

    def _read(self) -> Pcm:
        path = self._settings.file
        assert path is not None
        try:
            with path.open("rb") as file:
                return decode(file)
        except FileNotFoundError:
            raise MaskdError(f"there is no file {path}; put the sound there, or correct {self.setting}.file") from None
        except IsADirectoryError:
            raise MaskdError(f"{path} is a folder; set {self.setting}.file to a sound file") from None
        except OSError as error:
            raise MaskdError(f"{path} cannot be read: {error.strerror}; check its owner and mode") from None
        except ValueError as error:
            raise MaskdError(f"{path} is not a sound that can be played: {error}; use WAV, OGG, FLAC or MP3") from None
