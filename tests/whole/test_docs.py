"""What the pages in docs/ show: examples that validate, settings that exist, links that lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from edge.config import CameraSettings, Config, Settings
from edge.config.file import load_config
from edge.homeassistant import announce
from tests.support.documents import DOCS, blocks

SCHEMAS = {
    "maskd.event/1": "event-1.json",
    "maskd.presence/1": "presence-1.json",
    "maskd.resend/1": "resend-1.json",
    "maskd.setting/1": "setting-1.json",
    "maskd.window/1": "window-1.json",
    "maskd.status/1": "status-1.json",
    "maskd.totals/1": "totals-1.json",
}


def test_the_payloads_shown_follow_their_schemas() -> None:
    shown = {payload["schema"]: payload for payload in map(json.loads, blocks("mqtt.md", "json"))}
    assert set(shown) == set(SCHEMAS)
    for name, payload in shown.items():
        jsonschema.validate(payload, json.loads((DOCS / "schemas" / SCHEMAS[name]).read_text()))


@pytest.mark.parametrize("page", ["configuration.md", "page.md", "outputs.md", "reports.md"])
def test_the_configurations_shown_are_valid(tmp_path: Path, page: str) -> None:
    shown = blocks(page, "yaml")
    assert shown
    for text in shown:
        (tmp_path / "config.yaml").write_text(text)
        load_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("page", ["mqtt.md", "home-assistant.md"])
def test_the_home_assistant_examples_are_yaml(page: str) -> None:
    shown = [yaml.safe_load(text) for text in blocks(page, "yaml")]
    assert shown
    # The section `mqtt` of config.yaml is tried by the tests of TLS.
    assert all(list(example) in (["automation"], ["mqtt"], ["template"]) for example in shown)


def test_the_home_assistant_examples_name_entities_that_are_announced() -> None:
    config = Config(device="lobby", cameras={"door": CameraSettings(source="demo")})
    announced = {
        f"{component['platform']}.{message['device']['name']} {component['name']}".lower().replace(" ", "_")
        for announcement in announce(config, ["without_mask"], commands_on=True, tells_temperature=True)
        for message in [announcement.message]
        for component in message["components"].values()
        if "name" in component
    }
    named = set(re.findall(r"\w+\.maskd_lobby\w+", (DOCS / "home-assistant.md").read_text()))
    assert len(named) > 2
    assert named <= announced


@pytest.mark.parametrize("page", ["mqtt.md", "configuration.md"])
def test_the_settings_named_exist(page: str) -> None:
    sections = "|".join(name for name, field in Config.model_fields.items() if isinstance(field.default, Settings))
    named = set(re.findall(rf"`(({sections})\.\w+)", (DOCS / page).read_text()))
    published = {"mqtt.refused"}  # a field of the status, not a setting
    missing = [path for path, section in named if path not in published and not has_setting(section, path)]
    assert len(named) > 5
    assert missing == []


def has_setting(section: str, path: str) -> bool:
    return path.partition(".")[2] in type(Config.model_fields[section].default).model_fields


PAGES = [
    *sorted(DOCS.glob("*.md")),
    *(DOCS.parent / name for name in ("README.md", "CONTRIBUTING.md", "models/README.md", "benchmarks/README.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS.parent)))
def test_the_links_between_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    assert [target for target in targets if "://" not in target and not leads_somewhere(page, target)] == []


def leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    return file.exists() and (not anchor or anchor in anchors(file))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
