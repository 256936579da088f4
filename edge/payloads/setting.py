"""The retained payload that tells the value of a setting, and answers who asked for another one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.payloads.payload import Payload, Timestamp


class Setting(Payload):
    """A setting that can be changed while maskd runs."""

    schema_name: Literal["maskd.setting/1"] = Field(default="maskd.setting/1", alias="schema")
    setting: str
    """Its name in config.yaml."""
    camera: str | None
    """Null: it is one of the whole device."""
    value: bool | int | float | str
    """What is in effect; of a threshold that is null, the section's value or the model's recommendation."""
    persisted: bool
    """Whether config.yaml says so, or it is the default; else it is kept in overrides.json."""
    error: str | None
    """Why the latest command was refused, or would be gone after a restart, or did not reach config.yaml; else null."""
    time: Timestamp
