"""Texts with placeholders, such as {camera}, which outputs fill in."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping

from pydantic_core import PydanticCustomError

PLACEHOLDERS = (
    "text",
    "rule",
    "device",
    "camera",
    "time",
    "event",
    "event_id",
    "status",
    "previous",
    "compliant",
    "confidence",
    "zones",
    "track",
    "duration_s",
    "people",
    "minutes",
)
"""Fields of edge.payloads.action.Action; a test holds the two together."""
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


def filled(template: str, values: Mapping[str, object]) -> str:
    """The template with each placeholder replaced by its value in words; null is empty."""
    return _PLACEHOLDER.sub(lambda found: _words(values.get(found[1])), template)


def filled_json(template: str, values: Mapping[str, object]) -> str:
    """The same of the texts in JSON. One that is nothing but a placeholder becomes the value itself: a number, true,
    null or a list."""

    def fill(part: object) -> object:
        if isinstance(part, dict):
            return {key: fill(value) for key, value in part.items()}
        if isinstance(part, list):
            return [fill(value) for value in part]
        if not isinstance(part, str):
            return part
        alone = _PLACEHOLDER.fullmatch(part)
        return values.get(alone[1]) if alone else filled(part, values)

    return json.dumps(fill(json.loads(template)), ensure_ascii=False)


def checked_template(template: str | None) -> str | None:
    """For a setting's validator: raises for a placeholder that does not exist."""
    for name in _PLACEHOLDER.findall(template or ""):
        if name not in PLACEHOLDERS:
            nearest = difflib.get_close_matches(name, PLACEHOLDERS, n=1)
            remedy = f'did you mean "{{{nearest[0]}}}"?' if nearest else f"there are {', '.join(PLACEHOLDERS)}"
            raise _wrong(f"there is no placeholder {{{name}}}; {remedy}")
    return template


def checked_json_template(template: str | None) -> str | None:
    """The same for JSON."""
    if template is not None:
        try:
            json.loads(template)
        except ValueError as error:
            raise _wrong(f"it is not JSON ({error}); put placeholders, too, into double quotation marks") from None
    return checked_template(template)


def _words(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _wrong(problem: str) -> PydanticCustomError:
    return PydanticCustomError("sentence", "{problem}", {"problem": problem})
