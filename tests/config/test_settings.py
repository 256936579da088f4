"""A setting is declared once: a made-up field, and nothing else, reaches everything that is derived from settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from paho.mqtt.publish import single
from pydantic import Field

from edge.config import CameraSettings, Config, Settings
from edge.config.per_camera import with_own_values
from edge.config.settable import camera_settings, declared_in, device_settings, settables
from edge.config.table import settings_table
from edge.config.traits import Control, Traits
from edge.vision.thresholds import Recommendations, effective_setting
from tests.support.mosquitto import HOST, Mosquitto, Subscriber
from tests.support.pictures import numbered, write_photo
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end
from tests.support.waiting import wait_until

PATIENCE = '''
    patience_s: Annotated[
        Seconds, Traits(effect="live", per_camera=True, control=Control("patience", unit="s", step=0.5, most=60))
    ] = 2.5
    """Seconds of patience."""
'''
NAP = '''
    nap_s: Annotated[Seconds, Traits(per_camera=True)] = 0
    """Seconds of sleep."""
'''
PACE = '''
    pace: Annotated[Literal["slow", "fast"], Traits(effect="live", control=Control("pace"))] = "fast"
    """How fast."""
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a copy of `edge` in which three settings more are declared."""
    shutil.copytree(ROOT / "edge", tmp_path / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "models").symlink_to(ROOT / "models")
    declare(tmp_path / "edge/config/people.py", "class ComplianceSettings(Settings):\n", PATIENCE + NAP)
    declare(tmp_path / "edge/config/config.py", "class Config(Settings):\n", PACE)
    return tmp_path


def declare(file: Path, section: str, field: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(section) == 1
    file.write_text(text.replace(section, section + field.lstrip("\n")), encoding="utf-8")


def printed_in(tree: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run([sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_field_reaches_all_that_is_derived(tree: Path) -> None:
    told = json.loads(printed_in(tree, str(ROOT / "tests/support/settings_probe.py")))
    section, camera = told["schema"]["section"], told["schema"]["camera"]
    assert (section["minimum"], section["default"]) == (0, 2.5)
    assert camera["anyOf"] == [{"type": "number", "minimum": 0}, {"type": "null"}]
    assert camera["description"] == "For this camera alone, seconds of patience; null: compliance.patience_s."
    assert told["of each camera"] == [9, 2.5]
    assert told["settable"] == ["pace", "camera door: patience_s", "camera gate: patience_s"]
    assert told["waits"] == [[], ["cameras.door.nap_s"]]
    assert told["stays open"]
    patience, pace = told["homeassistant"]
    assert {key: patience[key] for key in ("platform", "name", "min", "max", "step", "unit_of_measurement")} == {
        "platform": "number",
        "name": "Patience",
        "min": 0,
        "max": 60,
        "step": 0.5,
        "unit_of_measurement": "s",
    }
    assert (pace["platform"], pace["name"], pace["options"]) == ("select", "Pace", ["slow", "fast"])
    table = printed_in(tree, "-m", "edge.cli", "config", "table")
    assert "| `patience_s` | Seconds of patience. | a number at least 0 | `2.5` | live | per camera |" in table
    assert "| `pace` | How fast. | one of slow, fast | `fast` | live | yes |" in table


def test_a_running_daemon_takes_and_keeps_it(tree: Path, mosquitto: Mosquitto) -> None:
    (tree / "photos").mkdir()
    write_photo(tree / "photos" / "1.png", numbered(1))
    config = tree / "config.yaml"
    values: dict[str, Any] = {
        "device": "lobby",
        "cameras": {"door": {"source": str(tree / "photos"), "loop": True}},
        "compliance": {"patience_s": 4},
        "mqtt": {"host": HOST, "port": mosquitto.port, "commands": True},
        "storage": {"path": str(tree / "storage")},
    }
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    command = [sys.executable, "-m", "edge.cli", "run", "-c", str(config)]
    with Subscriber(mosquitto.port, "#") as subscriber, (tree / "log").open("wb") as log:

        def state(setting: str) -> dict[str, Any]:
            topic = f"maskd/lobby/{setting}/state"
            return next((json.loads(m.payload) for m in subscriber.messages.copy()[::-1] if m.topic == topic), {})

        def ask(setting: str, value: str) -> None:
            single(f"maskd/lobby/{setting}/set", value, qos=1, hostname=HOST, port=mosquitto.port)

        with killed_at_the_end(subprocess.Popen(command, cwd=tree, stderr=log)) as process:
            wait_until(lambda: state("door/patience_s").get("value") == 4, what="the section's value")
            values["compliance"]["patience_s"] = 5
            config.write_text(yaml.safe_dump(values), encoding="utf-8")
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: state("door/patience_s").get("value") == 5, what="the value of the file as it is now")
            ask("door/patience_s", "7.5")
            wait_until(lambda: state("door/patience_s").get("value") == 7.5, what="the command's value")
            ask("door/patience_s", "-1")
            wait_until(lambda: state("door/patience_s").get("error"), what="the refusal")
            assert "at least 0" in state("door/patience_s")["error"]
            ask("pace", "slow")
            wait_until(lambda: state("pace").get("value") == "slow", what="the device's setting")
            announced = subscriber.wait_for(1, "/maskd_lobby/door/config")
            assert b'"name":"Patience"' in announced[0].payload
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
    shown = printed_in(tree, "-m", "edge.cli", "config", "show", "-c", str(config))
    assert "# camera door: patience_s is 7.5, set by a command at " in shown
    assert yaml.safe_load(shown)["pace"] == "slow"


class Waits(Settings):
    mood: Annotated[int, Field(ge=0, le=9), Traits(control=Control("mood"))] = 1


class Endless(Settings):
    mood: Annotated[int, Field(ge=0), Traits(effect="live", control=Control("mood"))] = 1


class Words(Settings):
    mood: Annotated[str, Traits(effect="live", control=Control("mood"))] = "x"


class Nowhere(Settings):
    mood: Annotated[int, Traits(effect="live", per_camera=True)] = 1


class Twice(Settings):
    fps: Annotated[float, Traits(effect="live", per_camera=True)] = 1


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        (Waits, "must take effect while maskd runs"),
        (Endless, "must say its least and its most"),
        (Words, "must be a number, a truth value, or one of some choices"),
        (Nowhere, "edge.config.camera takes nothing over from its section"),
    ],
)
def test_a_field_that_contradicts_itself_is_refused(section: type[Settings], reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        [declared.range for declared in declared_in(section)]


def test_a_camera_has_one_setting_of_each_name() -> None:
    with pytest.raises(TypeError, match=r"compliance\.fps cannot be per_camera: a camera has another fps"):
        with_own_values(compliance=Twice)(CameraSettings)


def test_every_setting_that_commands_can_change_has_a_value_in_effect() -> None:
    recommended = Recommendations(min_score=0.5, min_confidence=0.5)
    for each in settables(Config()):
        assert effective_setting(Config(), each.camera, each.setting, recommended) is not None


def test_the_page_of_settings_is_up_to_date() -> None:
    """If not: maskd config table > docs/settings.md"""
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == settings_table()


def test_the_pages_name_what_commands_can_change() -> None:
    text = (ROOT / "docs/mqtt.md").read_text(encoding="utf-8")
    table = text.partition("| `<setting>` | values |\n|---|---|\n")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    commands = {name: declared for name, declared in camera_settings().items() if declared.control.by_command}
    assert named == {*device_settings(), *commands}
    numbers = {name for name, declared in commands.items() if declared.range is not None}
    page = (ROOT / "docs/home-assistant.md").read_text(encoding="utf-8")
    [row] = [line for line in page.splitlines() if line.startswith("| `number.")]
    assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == numbers
