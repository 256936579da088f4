"""The settings of messages on topics of their own."""

from __future__ import annotations

import json
import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from edge.config.fields import Settings, Text
from edge.config.template import checked_json_template, checked_template
from edge.config.traits import LIVE

_PLACEHOLDER = r"\{[A-Za-z_]+\}"
_TOPIC = re.compile(r"[^/+#\s$\x00-\x1f\x7f][^/+#\s\x00-\x1f\x7f]*(/[^/+#\s\x00-\x1f\x7f]+)*")


def _checked_topic(template: str) -> str:
    if not _TOPIC.fullmatch(template):
        problem = (
            "it must be a topic such as alarms/{camera}, without +, #, spaces and empty levels, and not begin with $"
        )
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    checked_template(template)
    return template


def _checked_payload(template: str | None) -> str | None:
    """What looks like JSON has to be JSON."""
    begins_as_json = template is not None and re.match(rf"\s*(?!{_PLACEHOLDER})[{{\[]", template) is not None
    return checked_json_template(template) if begins_as_json else checked_template(template)


def is_json(template: str) -> bool:
    """An object or a list, whose texts are filled in one by one."""
    try:
        return isinstance(json.loads(template), dict | list)
    except ValueError:
        return False


def may_be_below(topic: str, prefix: str, device: str) -> bool:
    """Whether a topic made of this template can be `prefix`, or a topic below it, whatever its placeholders hold."""
    levels, above = topic.replace("{device}", device).split("/"), prefix.split("/")
    if len(levels) < len(above):
        return False
    return all(_pattern(level).fullmatch(there) for level, there in zip(levels, above, strict=False))


def _pattern(level: str) -> re.Pattern[str]:
    return re.compile(".+".join(re.escape(part) for part in re.split(_PLACEHOLDER, level)))


class MqttOutputSettings(Settings):
    topic: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_checked_topic), LIVE]
    """The topic, with placeholders, such as alarms/{camera}; what a level cannot hold becomes `_`."""
    payload: Annotated[Text | None, AfterValidator(_checked_payload), LIVE] = None
    """What is published, with placeholders, as JSON or as plain text; null: all that is known, as JSON."""
    max_waiting: Annotated[int, Field(ge=1, le=1_000_000), LIVE] = 10_000
    """Actions that wait for an absent broker; past this, the oldest are dropped and counted."""
