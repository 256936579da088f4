"""What differs between two configurations, setting by setting, in words that are fit to be shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from edge.config.config import Config
from edge.config.file import show_config

Flat = Mapping[str, Any]
"""Values by the names of settings, such as cameras.door.min_score."""


@dataclass(frozen=True, slots=True)
class Difference:
    setting: str
    old: Any
    """Masked; None: null, or not there."""
    new: Any


def shown(config: Config) -> Flat:
    """Every setting, without secrets."""
    return dict(_flat(yaml.safe_load(show_config(config))))


def differences(old: Config, new: Config) -> list[Difference]:
    """Also where only a secret differs, of which both sides look alike."""
    before, after = dict(_flat(old.model_dump(mode="json"))), dict(_flat(new.model_dump(mode="json")))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not names:
        return []
    return list(_of(names, shown(old), shown(new)))


def differences_shown(old: Flat, new: Flat) -> list[Difference]:
    return list(_of([name for name in {**old, **new} if old.get(name) != new.get(name)], old, new))


def _of(names: list[str], old: Flat, new: Flat) -> Iterator[Difference]:
    return (Difference(name, old.get(name), new.get(name)) for name in names)


def _flat(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _flat(child, f"{above}.{key}" if above else str(key))
    else:
        yield above, value
