"""What is known of a setting apart from its values: when it takes effect, whose it is, and how a person sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic.fields import FieldInfo

Effect = Literal["live", "reopen", "restart"]
"""live: it holds from the next picture, or message, on; reopen: its camera is opened again; restart: maskd has to be
started again."""


@dataclass(frozen=True, slots=True)
class Control:
    """How a person sees a setting that can be changed by a command. What values it takes is said by its field alone."""

    name: str
    """In a few words, without its camera's name and in lower case."""
    unit: str | None = None
    widget: Literal["box", "slider"] = "box"
    """For a number."""
    step: float = 1
    """For a number."""
    least: float | None = None
    most: float | None = None
    """Ends of the range that is shown of a number without ends of its own; commands may go beyond them."""
    icon: str | None = None
    """In Home Assistant; None: its own for such a setting."""
    is_primary: bool = False
    """Shown with what its camera sees, instead of among the configuration."""
    by_command: bool = True
    """Whether a command can set it, and so Home Assistant; False: only the page's Tune view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Belongs into a field's Annotated; a field without waits for a restart, and is set in config.yaml alone."""

    effect: Effect = "restart"
    per_camera: bool = False
    """Whether each camera has a setting of the same name, which is null or holds for it alone."""
    control: Control | None = None
    """Whether it can be set while maskd runs; of a per_camera setting, that of each camera."""
    over: str | None = None
    """The section whose setting this camera's own one lies over. Written by edge.config.per_camera alone."""


LIVE = Traits(effect="live")
REOPENS = Traits(effect="reopen")


def traits_of(field: FieldInfo) -> Traits:
    return next((each for each in field.metadata if isinstance(each, Traits)), _NONE)


_NONE = Traits()
