"""The settings of an output that plays a file or speaks."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from edge.config.day_span import DaySpan
from edge.config.fields import HomePath, Settings, Text, contradiction
from edge.config.template import checked_template
from edge.config.traits import LIVE


def _problem(problem: str) -> PydanticCustomError:
    return PydanticCustomError("sentence", "{problem}", {"problem": problem})


def _alsa_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_:=,.-]*", text):
        raise _problem('it must be a name that `aplay -L` lists, such as "plughw:CARD=Device"')
    return text


def _voice(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_+-]*", text):
        raise _problem('it must be a language that `espeak-ng --voices` lists, such as "en" or "de"')
    return text


class SoundSettings(Settings):
    file: Annotated[HomePath | None, LIVE] = None
    """A sound file: WAV, OGG, FLAC or MP3. Its first 15 seconds are played. null: `say` is spoken."""
    say: Annotated[Text | None, Field(max_length=500), AfterValidator(checked_template), LIVE] = None
    """A sentence, with placeholders such as {camera}, that espeak-ng speaks; null: `file` is played."""
    language: Annotated[Text, AfterValidator(_voice), LIVE] = "en"
    """The language of `say`, such as en or de."""
    volume: Annotated[int, Field(ge=0, le=100), LIVE] = 100
    """Percent of the loudness that the file or the voice has."""
    device: Annotated[Annotated[Text, AfterValidator(_alsa_name)] | None, LIVE] = None
    """An ALSA device that `aplay -L` lists, such as "plughw:CARD=Device"; null: the system's default."""
    quiet: Annotated[DaySpan | None, LIVE] = None
    """Quiet hours, such as "22:00-06:00", without sound, whatever the rules say; null: none."""

    @model_validator(mode="after")
    def _one_source(self) -> SoundSettings:
        if self.file is not None and self.say is not None:
            raise contradiction("say", "a file is played already; remove one of the two")
        if self.file is None and self.say is None:
            raise _problem("it needs something to play; set file or say")
        return self
