"""Holds a discovery message against homeassistant_rules.py, and renders its templates as Home Assistant does."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.support import homeassistant_rules as rules

Message = dict[str, Any]


def expanded(payload: bytes) -> Message:
    """What Home Assistant makes of a message's abbreviations."""
    message = _renamed(json.loads(payload), rules.ABBREVIATIONS)
    message["device"] = _renamed(message["device"], rules.DEVICE_ABBREVIATIONS)
    message["origin"] = _renamed(message["origin"], rules.ORIGIN_ABBREVIATIONS)
    _expand_availability(message)
    message["components"] = {key: _expanded_component(each) for key, each in message["components"].items()}
    return message


def whole_components(message: Message) -> dict[str, Message]:
    """An expanded message's components with what they share, and then with their base topics."""
    shared = {key: value for key, value in message.items() if key in rules.SHARED}
    return {
        key: _with_base({**{k: v for k, v in shared.items() if _knows(component, k)}, **component})
        for key, component in message["components"].items()
    }


def _knows(component: Message, key: str) -> bool:
    """Home Assistant drops what a platform does not know of what is shared."""
    platform = rules.PLATFORMS.get(component["platform"])
    return platform is None or (platform.is_entity and (key != "state_topic" or platform.has_state_topic))


def _with_base(component: Message) -> Message:
    base = component.pop("~", None)
    if base is None:
        return component
    return {key: _based(value, base) if key.endswith("topic") else value for key, value in component.items()}


def _based(topic: str, base: str) -> str:
    if topic.startswith("~"):
        return base + topic[1:]
    return topic[:-1] + base if topic.endswith("~") else topic


def _expanded_component(component: Message) -> Message:
    component = _renamed(component, rules.ABBREVIATIONS)
    _expand_availability(component)
    return component


def _expand_availability(holder: Message) -> None:
    if "availability" in holder:
        holder["availability"] = [_renamed(each, rules.ABBREVIATIONS) for each in holder["availability"]]


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> Message:
    return {names.get(key, key): value for key, value in values.items()}


def problems_of(message: Message) -> Iterator[str]:
    """What Home Assistant would refuse, ignore or warn of, a sentence each."""
    rest = {key: value for key, value in message.items() if key not in ("device", "origin", "components")}
    if "state_topic" in rest:
        rest["state_topic"] = rest["state_topic"].removesuffix("~")  # each component has a base topic of its own
    yield from unfit("the message", rest, rules.SHARED)
    if "origin" not in message:
        yield "no origin"
    elif "name" not in message["origin"]:
        yield "origin has no name"
    if not message["device"].get("identifiers"):
        yield "the device has no identifiers"
    yield from unfit("origin", message.get("origin", {}), rules.ORIGIN)
    yield from unfit("device", message["device"], rules.DEVICE)
    ids = Counter(component["unique_id"] for component in message["components"].values() if "unique_id" in component)
    yield from (f"twice: {unique_id}" for unique_id, count in ids.items() if count > 1)
    for key, component in whole_components(message).items():
        if not re.fullmatch(rules.TOPIC_LEVEL, key):
            yield f"the key {key} has characters that a topic's level cannot have"
        yield from problems_of_component(key, component)


def problems_of_component(key: str, component: Mapping[str, Any]) -> Iterator[str]:
    """With what it shares."""
    platform = rules.PLATFORMS.get(component["platform"])
    if platform is None:
        yield f"{key}: platform {component['platform']} is not among the rules"
        return
    known = {**rules.COMPONENT, **platform.keys} if platform.is_entity else {**platform.keys, **rules.TRIGGER}
    yield from unfit(key, component, known)
    required = {*platform.required, "unique_id", "name"} if platform.is_entity else platform.required
    yield from (f"{key}: no {name}" for name in required - component.keys())
    if not platform.is_entity:
        return
    if component.get("entity_category", "diagnostic") not in platform.categories:
        yield f"{key}: category {component['entity_category']} is not for a {component['platform']}"
    device_class, unit = component.get("device_class"), component.get("unit_of_measurement")
    if device_class is not None:
        if device_class not in platform.units:
            yield f"{key}: device_class {device_class} is not among the rules"
        elif unit not in platform.units[device_class]:
            yield f"{key}: unit {unit} does not go with {device_class}"
    state_class = component.get("state_class")
    if state_class not in {None, *rules.STATE_CLASSES_OF.get(str(device_class), rules.STATE_CLASSES)}:
        yield f"{key}: state_class {state_class} does not go with {device_class}"
    if component["platform"] == "number":
        if component.get("mode", "auto") not in rules.NUMBER_MODES:
            yield f"{key}: mode {component['mode']} does not exist"
        if not float(component.get("min", 1)) < float(component.get("max", 100)):
            yield f"{key}: min is not below max"
        if component.get("step", 1) < rules.LEAST_STEP:
            yield f"{key}: step is too small"


def unfit(owner: str, values: Mapping[str, Any], allowed: Mapping[str, rules.Kind]) -> Iterator[str]:
    for name, value in values.items():
        if name not in allowed:
            yield f"{owner}: {name} is unknown"
        elif not FITS[allowed[name]](value):
            yield f"{owner}: {name} is no {allowed[name]}: {value!r}"
    if values.get("availability_mode", "all") not in rules.AVAILABILITY_MODES:
        yield f"{owner}: availability_mode {values['availability_mode']} does not exist"


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def is_topic(value: Any) -> bool:
    return is_text(value) and not set(value) & set("+#~\0") and len(value.encode()) <= 65_535


def is_template(value: Any) -> bool:
    try:
        tree = JINJA.parse(value)
    except Exception:
        return False
    return {node.name for node in tree.find_all(nodes.Filter)} <= rules.SHARED_FILTERS and {
        node.name for node in tree.find_all(nodes.Test)
    } <= rules.SHARED_TESTS


def is_availability(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all("topic" in each and not list(unfit("", each, rules.AVAILABILITY)) for each in value)
        # Home Assistant keeps the last template of a topic only.
        and len({each["topic"] for each in value}) == len(value)
    )


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
FITS: Mapping[rules.Kind, Callable[[Any], bool]] = {
    "text": is_text,
    "topic": is_topic,
    "template": is_template,
    "yes or no": lambda value: isinstance(value, bool),
    "whole": lambda value: is_number(value) and value >= 0 and value == int(value),
    "number": is_number,
    "icon": lambda value: is_text(value) and re.fullmatch(r"mdi:[a-z0-9-]+", value) is not None,
    "texts": lambda value: isinstance(value, list) and value != [] and all(map(is_text, value)),
    "availability": is_availability,
    "qos": lambda value: value in (0, 1, 2),
    "category": lambda value: value in rules.CATEGORIES,
}


def render(component: Mapping[str, Any], payload: bytes, template: str = "value_template") -> str:
    """As Home Assistant does: `value_json` is there where the payload is JSON."""
    values: dict[str, Any] = {"value": payload.decode()}
    if payload:
        values["value_json"] = json.loads(payload)
    return JINJA.from_string(component[template]).render(values)
