"""What settings are made of: the base of every section, and the kinds of values that several of them share."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from edge.errors import UsageError
from edge.system.described import describe_fields
from edge.system.paths import expanded

Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
_IN_LEVEL = r"/+#\s\x00-\x1f\x7f"
TOPIC_PREFIX_PATTERN = rf"^[^${_IN_LEVEL}][^{_IN_LEVEL}]*(/[^{_IN_LEVEL}]+)*$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A name that is safe as one level of an MQTT topic."""
Text = Annotated[str, Field(min_length=1)]
TopicPrefix = Annotated[str, Field(pattern=TOPIC_PREFIX_PATTERN)]
"""The first level, or levels, of a topic."""


def text_if_number(value: object) -> object:
    """0 and 5 mean "0" and "5", as a person writes them; True is an int to Python, but not to a person."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _at_home(path: Path) -> Path:
    try:
        return expanded(path)
    except UsageError as error:
        raise PydanticCustomError("sentence", "{problem}", {"problem": str(error)}) from None


def text_at_home(text: str) -> str:
    return str(_at_home(Path(text))) if text.startswith("~") else text


HomePath = Annotated[Path, AfterValidator(_at_home)]
"""A leading `~` means the home folder."""


def contradiction(key: str, problem: str) -> PydanticCustomError:
    """Two settings that exclude each other; the report points at `key`, such as `ca_file` or `tls.ca_file`."""
    return PydanticCustomError("contradiction", "{problem}", {"problem": problem, "key": key})


def misnamed(place: Sequence[str], what: str, name: str, names: Sequence[str]) -> PydanticCustomError:
    """The setting at `place` names something that does not exist."""
    nearest = difflib.get_close_matches(name, names, n=1)
    remedy = f'did you mean "{nearest[0]}"?' if nearest else f"there is {', '.join(names) or 'none'}"
    return contradiction(".".join(place), f'there is no {what} "{name}"; {remedy}')


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=describe_fields, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_section_means_defaults(cls, values: Any) -> Any:
        """`detector:` with every line below it commented out reaches us as None."""
        if not isinstance(values, dict):
            return values
        sections = {name for name, field in cls.model_fields.items() if isinstance(field.default, Settings)}
        return {key: value for key, value in values.items() if not (value is None and key in sections)}


@cache
def schema_of(settings: type[Settings]) -> dict[str, Any]:
    """The JSON Schema of one section; not to be changed."""
    return settings.model_json_schema()
