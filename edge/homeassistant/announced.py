"""What the broker keeps of this device, remembered on disk so that what is gone by the next time can be cleared."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.homeassistant import Announcement
from edge.mqtt import Message
from edge.system.atomic_file import write_own_file

log = logging.getLogger(__name__)

Topic = Annotated[str, Field(min_length=1, pattern=r"^[^+#\x00]+$")]


class Announced(BaseModel):
    """What was published last, and stays at the broker until it is cleared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    messages: dict[Topic, dict[str, str]]
    """Of each message to Home Assistant, by its topic: the platform of each component, by its key."""
    retained: frozenset[Topic]
    """Of everything else that the broker keeps."""

    @model_validator(mode="before")
    @classmethod
    def _of_one_message(cls, values: Any) -> Any:
        """Up to 1.x one message announced everything; its entities are still to be removed."""
        if not isinstance(values, dict) or not {"topic", "platforms"} <= values.keys():
            return values
        topic, platforms = values["topic"], values["platforms"]
        rest = {key: value for key, value in values.items() if key not in ("topic", "platforms")}
        return {**rest, "messages": {} if topic is None else {topic: platforms}}

    def __or__(self, later: Announced) -> Announced:
        """What the broker may keep while `later` is on its way there."""
        messages = dict(self.messages)
        for topic, platforms in later.messages.items():
            messages[topic] = {**messages.get(topic, {}), **platforms}
        return Announced(messages=messages, retained=self.retained | later.retained)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the broker comes to keep what is now to be kept."""

    messages: list[Message]
    given_up: list[str]
    """Topics that the broker goes on keeping a message on, though nothing is published there any more."""


def plan(announcements: Sequence[Announcement], aim: Announced, last: Announced | None, *, clears: bool) -> Plan:
    """`clears` False: what is gone is given up."""
    earlier = {} if last is None else last.messages
    announced = [message for each in announcements for message in _announced(each, earlier.get(each.topic, {}))]
    if last is None:
        return Plan(announced, [])
    replaced = [topic for topic in last.messages if topic not in aim.messages]
    outdated = sorted(last.retained - aim.retained)
    if not clears:
        return Plan(announced, replaced + outdated)
    # An earlier announcement goes first, for its entities keep their ids from the new ones while they exist.
    return Plan([*map(_emptied, replaced), *announced, *map(_emptied, outdated)], [])


def _announced(announcement: Announcement, earlier: Mapping[str, str]) -> Iterator[Message]:
    """`earlier`: what this topic announced before."""
    removed = _removed(earlier, announcement.platforms)
    if removed:
        yield Message(announcement.topic, announcement.to_json(removed), retain=True)
    yield Message(announcement.topic, announcement.to_json(), retain=True)


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
