"""What the broker keeps of this device, remembered on disk so that what is gone by the next time can be cleared."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.homeassistant import Announcement
from edge.mqtt import Message
from edge.system.atomic_file import write_own_file

log = logging.getLogger(__name__)

Topic = Annotated[str, Field(min_length=1, pattern=r"^[^+#\x00]+$")]


class Announced(BaseModel):
    """What was published last, and stays at the broker until it is cleared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: Topic | None
    """Of the message to Home Assistant; None: there is none."""
    platforms: dict[str, str]
    """The platform of each component that Home Assistant was told of, by its key."""
    retained: frozenset[Topic]
    """Of everything else that the broker keeps."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the broker comes to keep what is now to be kept."""

    messages: list[Message]
    given_up: list[str]
    """Topics that the broker goes on keeping a message on, though nothing is published there any more."""


def plan(announcement: Announcement | None, aim: Announced, last: Announced | None, *, clears: bool) -> Plan:
    """`announcement` None: nothing is told to Home Assistant. `clears` False: what is gone is given up."""
    announcements = []
    if announcement is not None:
        removed = {} if last is None or last.topic != aim.topic else _removed(last.platforms, aim.platforms)
        if removed:
            announcements.append(Message(announcement.topic, announcement.to_json(removed), retain=True))
        announcements.append(Message(announcement.topic, announcement.to_json(), retain=True))
    if last is None:
        return Plan(announcements, [])
    replaced = [] if last.topic is None or last.topic == aim.topic else [last.topic]
    outdated = sorted(last.retained - aim.retained)
    if not clears:
        return Plan(announcements, replaced + outdated)
    # An earlier announcement goes first, for its entities keep their ids from the new ones while they exist.
    return Plan([*map(_emptied, replaced), *announcements, *map(_emptied, outdated)], [])


def _removed(earlier: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The components, with their platforms, that are gone or of another platform now."""
    return {key: platform for key, platform in earlier.items() if now.get(key) != platform}


def _emptied(topic: str) -> Message:
    """Has the broker forget what it keeps."""
    return Message(topic, b"", retain=True)


class AnnouncedFile:
    """Used by one thread. No error is raised: without the file nothing is cleared, and all else goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._has_warned = False

    def read(self) -> Announced | None:
        """None where nothing was published, or nothing readable is left of it."""
        try:
            return Announced.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is damaged"
            log.warning(
                "what was announced to Home Assistant cannot be read from %s: %s; the file is written again; delete "
                "the entities of cameras that were removed meanwhile in Home Assistant",
                self._path,
                reason,
            )
            return None

    def write(self, announced: Announced) -> None:
        try:
            write_own_file(self._path, announced.model_dump_json().encode() + b"\n")
            self._has_warned = False
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                log.warning(
                    "what was announced to Home Assistant cannot be saved in %s: %s; if a camera is removed before "
                    "this is fixed, delete its entities in Home Assistant",
                    self._path,
                    error.strerror or error,
                )
