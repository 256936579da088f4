"""Shorter keys for discovery messages, which Home Assistant expands again.

From https://www.home-assistant.io/integrations/mqtt/#supported-abbreviations-in-mqtt-discovery-messages; only keys that
maskd uses. A base topic `~` belongs to one component, and takes its place at the beginning or the end of every topic of
that component, also of those that all components share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MESSAGE = {"availability": "avty", "components": "cmps", "device": "dev", "origin": "o"}
_DEVICE = {
    "configuration_url": "cu",
    "identifiers": "ids",
    "manufacturer": "mf",
    "model": "mdl",
    "sw_version": "sw",
}
_ORIGIN = {"sw_version": "sw"}
_COMPONENT = {
    "automation_type": "atype",
    "availability": "avty",
    "availability_mode": "avty_mode",
    "command_topic": "cmd_t",
    "content_type": "cont_type",
    "device_class": "dev_cla",
    "entity_category": "ent_cat",
    "event_types": "evt_typ",
    "icon": "ic",
    "image_topic": "img_t",
    "json_attributes_template": "json_attr_tpl",
    "json_attributes_topic": "json_attr_t",
    "options": "ops",
    "payload": "pl",
    "payload_off": "pl_off",
    "payload_on": "pl_on",
    "platform": "p",
    "state_class": "stat_cla",
    "state_topic": "stat_t",
    "subtype": "stype",
    "suggested_display_precision": "sug_dsp_prc",
    "topic": "t",
    "unique_id": "uniq_id",
    "unit_of_measurement": "unit_of_meas",
    "value_template": "val_tpl",
}


def abbreviated(message: Mapping[str, Any], base: str) -> dict[str, Any]:
    """A discovery message for a device, with every key and topic as short as Home Assistant takes it.

    `base`: what most state topics begin with. The message has it once, as a state topic that its components share and
    that ends with `~`; each component has the rest as its base topic."""
    short = _renamed(message, _MESSAGE | _COMPONENT)
    short["dev"] = _renamed(message["device"], _DEVICE)
    short["o"] = _renamed(message["origin"], _ORIGIN)
    short["stat_t"] = f"{base}/~"
    short["cmps"] = {key: _component(component, base) for key, component in message["components"].items()}
    _shorten_availability(short)
    return short


def _component(component: Mapping[str, Any], base: str) -> dict[str, Any]:
    short = _renamed(component, _COMPONENT)
    _shorten_availability(short)
    state_topic = short.get("stat_t", "")
    if state_topic.startswith(f"{base}/"):
        short["~"] = short.pop("stat_t").removeprefix(f"{base}/")
    elif state_topic and state_topic == short.get("json_attr_t"):
        short |= {"~": state_topic, "stat_t": "~", "json_attr_t": "~"}
    return short


def _shorten_availability(short: dict[str, Any]) -> None:
    if "avty" in short:
        short["avty"] = [_renamed(each, _COMPONENT) for each in short["avty"]]


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in values.items()}
