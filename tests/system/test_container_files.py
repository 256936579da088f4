"""What the container's files say alike, and that maskd takes its configuration. `make container-test` runs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from edge.config.file import load_config
from tests.support.places import ROOT

FOLDER = ROOT / "systemd/container"


def services() -> dict[str, Any]:
    composed: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    found: dict[str, Any] = composed["services"]
    return found


def test_the_image_s_configuration_is_one_and_leads_to_the_broker_beside_it() -> None:
    config = load_config(FOLDER / "config.yaml")
    assert config.mqtt.host in services()
    assert config.web.host == "0.0.0.0"
    assert config.web.tls is not None, "a password would cross the network as it is"


def test_compose_hardens_maskd_and_asks_for_its_health_as_the_image_does() -> None:
    maskd = services()["maskd"]
    assert maskd["read_only"] is True
    assert maskd["cap_drop"] == ["ALL"]
    assert maskd["security_opt"] == ["no-new-privileges:true"]
    assert "./config.yaml:/etc/maskd/config.yaml:ro" in maskd["volumes"]
    containerfile = (FOLDER / "Containerfile").read_text()
    (words,) = re.findall(r"^HEALTHCHECK .* CMD \[(.*)\]$", containerfile, re.MULTILINE)
    assert maskd["healthcheck"]["test"] == ["CMD", *re.findall(r'"([^"]*)"', words)]
    assert re.search(r"^USER 8470:8470$", containerfile, re.MULTILINE)


def test_every_file_that_compose_mounts_is_there_or_made_by_a_command_of_the_docs() -> None:
    made = {"maskd.token"}
    for service in services().values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert Path(source).name in made or (FOLDER / source).is_file(), source
    docs = (ROOT / "docs/container.md").read_text()
    assert all(f"> {name}" in docs for name in made)
