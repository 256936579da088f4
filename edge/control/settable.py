"""What a message that asks for a change means: pure logic."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from edge.config import Config
from edge.config.settable import Settable, settables
from edge.errors import MaskdError
from edge.payloads.topics import Topics

PAYLOAD_LIMIT = 4096
"""Bytes."""
_VALUE_LIMIT = 64
"""Characters; no value needs as many."""
_FORM = 'a value, such as 0.6, or {"value": 0.6, "persist": true}'


@dataclass(frozen=True, slots=True)
class Command:
    value: str | None
    """The text for config.yaml; None: null."""
    persist: bool = False
    """To be written there as well."""


def settable_of(topic: str, topics: Topics, config: Config) -> Settable | None:
    """What a message on this topic would change; None: nothing that there is."""
    return next((each for each in settables(config) if topics.set(each.setting, each.camera) == topic), None)


def parse_command(payload: bytes) -> Command:
    """What is asked for: a bare value, or `{"value": ..., "persist": ...}`. Raises MaskdError.

    What a refused payload holds is not repeated unless it is short and printable, since the refusal is logged.
    """
    if len(payload) > PAYLOAD_LIMIT:
        raise MaskdError(f"the command has {len(payload)} bytes, but at most {PAYLOAD_LIMIT} are read; send {_FORM}")
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        raise MaskdError(f"the command is not UTF-8 text; send {_FORM}") from None
    if not text.startswith("{"):
        return Command(_checked(text))
    # No value holds a bracket, and what nests thousands of levels deep never reaches the parser, which recurses.
    if text.count("{") + text.count("[") > 1:
        raise MaskdError(f"the command has a list or an object instead of one value; send {_FORM}")
    try:
        fields = json.loads(
            text,
            object_pairs_hook=_without_repetition,
            # As text they are judged like any other: config.yaml may not hold them either.
            parse_float=str,
            parse_int=str,
            parse_constant=str,
        )
    except json.JSONDecodeError as error:
        raise MaskdError(
            f"the command is not valid JSON ({error.msg} at character {error.pos + 1}); send {_FORM}"
        ) from None
    if not fields.keys() <= {"value", "persist"} or "value" not in fields:
        raise MaskdError(f'the command must have "value", and may have "persist", but nothing else; send {_FORM}')
    value, persist = fields["value"], fields.get("persist", False)
    if not isinstance(persist, bool):
        raise MaskdError('"persist" must be true or false, without quotes; leave it out for false')
    return Command(_checked(str(value).lower() if isinstance(value, bool) else value), persist)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise MaskdError(f"the command has a field twice; send {_FORM}")
    return fields


def _checked(value: str | None) -> str | None:
    if value is None or value == "null":
        return None
    if len(value) > _VALUE_LIMIT or not value.isprintable():
        raise MaskdError(
            f"the value is longer than {_VALUE_LIMIT} characters, or contains some that cannot be displayed"
        )
    return value
