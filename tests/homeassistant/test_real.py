"""maskd in a real Home Assistant, with a real Mosquitto: `make homeassistant-test`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.config.file import load_config
from edge.homeassistant import announce
from tests.daemon.test_daemon import running
from tests.support.home_assistant import HomeAssistant, install
from tests.support.mosquitto import HOST, Mosquitto
from tests.support.places import ROOT
from tests.support.waiting import wait_until

ENVIRONMENT = os.environ.get("MASKD_HOMEASSISTANT_TEST")
"""The folder of the environment that Home Assistant is installed into."""
if not ENVIRONMENT:
    pytest.skip("installs and starts Home Assistant, for minutes: make homeassistant-test", allow_module_level=True)

pytest.importorskip("skimage", reason="the clip is made from scikit-image's portrait")

from tools.demo_clip.clip import make_clip  # noqa: E402 - it needs what was just looked for

pytestmark = pytest.mark.timeout(1200)  # the first installs it
PAGE = (ROOT / "docs/home-assistant.md").read_text(encoding="utf-8")
PATIENCE_S = 120.0
"""Home Assistant, the daemon and its models share a busy machine."""
EVENT, VIOLATION = "event.maskd_lobby_door_event", "binary_sensor.maskd_lobby_door_violation"


def documented(kind: str) -> list[dict[str, Any]]:
    """What the page shows of a configuration's section."""
    shown = map(yaml.safe_load, re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    return [each for section in shown for each in section.get(kind, ())]


def documented_automations() -> list[dict[str, Any]]:
    """Those of the page, with a notification that can be read here and less patience; the one that needs the id of a
    device is tried by itself."""
    automations = documented("automation")
    text = json.dumps([each for each in automations if "device_id" not in each["triggers"][0]])
    text = text.replace("notify.notify", "persistent_notification.create")
    text = re.sub(r'"for": "00:0\d:\d\d"', '"for": "00:00:01"', text)
    found: list[dict[str, Any]] = json.loads(text)
    return found


@pytest.fixture(autouse=True)
def nothing_left_running() -> None:
    """In place of the one of every test: the broker that a test has started again ends with the others."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds in which A, with a mask, is there from the second to the seventh, and B comes."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    make_clip(path, duration_s=9)
    return path


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path_factory.mktemp("broker") / "mosquitto", persistence=True)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, broker: Mosquitto) -> Iterator[HomeAssistant]:
    environment = Path(str(ENVIRONMENT)).absolute()
    if problem := install(environment):
        pytest.skip(problem)
    sections = {"automation": documented_automations(), "template": documented("template")}
    home = HomeAssistant(environment, tmp_path_factory.mktemp("home") / "config", broker.port, sections)
    try:
        home.start()
        yield home
    finally:
        home.stop()


def write(folder: Path, broker: Mosquitto, source: str, *cameras: str, **changes: Any) -> Path:
    values = {
        "device": "lobby",
        "cameras": {camera: {"source": source, "loop": True} for camera in cameras or ("door",)},
        "mqtt": {"host": HOST, "port": broker.port, "commands": True, "window_s": 5, "status_interval_s": 5},
        "storage": {"path": str(folder / "storage")},
        **changes,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def wait(condition: Callable[[], object], what: str) -> None:
    wait_until(condition, what=what, timeout=PATIENCE_S)


@contextmanager
def shown(home: HomeAssistant, config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon whose people Home Assistant shows; it is stopped at the end, so that the next finds it gone."""
    with running(config) as process:
        wait(lambda: home.state("binary_sensor.maskd_lobby_online") == "on", "the box online")
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0


def event_of(home: HomeAssistant) -> dict[str, Any]:
    attributes: dict[str, Any] = home.states()[EVENT]["attributes"]
    return attributes


def complaints(home: HomeAssistant) -> list[str]:
    """What it has logged of MQTT and of automations."""
    return [
        line
        for line in home.log.splitlines()
        if re.search(r"(WARNING|ERROR).*(mqtt|automation|template|device_registry|maskd)", line)
    ]


def test_every_entity_is_there_with_a_value(home: HomeAssistant, broker: Mosquitto, tmp_path: Path, clip: Path) -> None:
    config = write(tmp_path, broker, str(clip), "door", "hall")
    told = announce(load_config(config), ("with_mask", "without_mask"), commands_on=True, tells_temperature=False)
    expected = {
        f"{component['platform']}.{message['device']['name']} {component['name']}".lower().replace(" ", "_")
        for message in (each.message for each in told)
        for component in message["components"].values()
        if "name" in component
    }
    with shown(home, config):
        wait(lambda: expected <= home.states().keys(), "every entity")

        def silent() -> dict[str, str]:
            states = home.states()
            return {name: states[name]["state"] for name in expected if states[name]["state"] in SILENT}

        wait(lambda: not silent(), f"a value of every entity, not {silent()}")
        wait(lambda: int(home.state("sensor.maskd_lobby_door_visits") or 0) > 1, "visits")
        wait(lambda: home.state("sensor.people_without_a_mask_at_the_door") == "1", "a person without a mask")
        states = home.states()
        devices = {each["name"]: each for each in home.ask("config/device_registry/list")}
    door, box = devices["maskd lobby door"], devices["maskd lobby"]
    assert (door["via_device_id"], box["via_device_id"]) == (box["id"], None)
    assert states["sensor.maskd_lobby_door_visits"]["attributes"]["state_class"] == "total_increasing"
    hold = states["number.maskd_lobby_door_hold_time"]["attributes"]
    assert (hold["min"], hold["max"], hold["unit_of_measurement"]) == (0, 3600, "s")
    assert {"track", "id", "epoch", "seq", "confidence"} <= states[EVENT]["attributes"].keys()
    assert complaints(home) == []


SILENT = ("unknown", "unavailable")


def test_a_renamed_entity_survives_a_toggle_of_privacy(
    home: HomeAssistant, broker: Mosquitto, tmp_path: Path, clip: Path
) -> None:
    with shown(home, write(tmp_path, broker, str(clip))):
        wait(lambda: home.state(VIOLATION) in ("on", "off"), "the violation")
        home.ask(
            "config/entity_registry/update",
            entity_id=VIOLATION,
            new_entity_id="binary_sensor.bare_faces",
            name="Bare faces",
        )
        wait(lambda: home.state("binary_sensor.bare_faces") in ("on", "off"), "the renamed entity")
        before = {each["id"]: each for each in home.ask("config/entity_registry/list")}
        for privacy, states in (("aggregate", ("unavailable",)), ("events", ("on", "off"))):
            home.act("select.select_option", entity_id="select.maskd_lobby_privacy", option=privacy)
            wait(lambda states=states: home.state("binary_sensor.bare_faces") in states, privacy)  # type: ignore[misc]
            wait(lambda privacy=privacy: home.state("select.maskd_lobby_privacy") == privacy, privacy)  # type: ignore[misc]
            if privacy == "aggregate":
                assert home.state(EVENT) == "unavailable"
                assert home.state("sensor.maskd_lobby_door_people") not in SILENT
        wait(lambda: home.state(EVENT) not in SILENT, "events again")
        after = {each["id"]: each for each in home.ask("config/entity_registry/list")}
        kept = ("entity_id", "unique_id", "name", "device_id", "platform")
        assert {i: [each[k] for k in kept] for i, each in after.items()} == {
            i: [each[k] for k in kept] for i, each in before.items()
        }
        home.ask(
            "config/entity_registry/update", entity_id="binary_sensor.bare_faces", new_entity_id=VIOLATION, name=None
        )
    assert complaints(home) == []


def test_an_automation_pairs_started_with_ended_and_triggers_of_the_device_fire(
    home: HomeAssistant, broker: Mosquitto, tmp_path: Path, clip: Path
) -> None:
    with shown(home, write(tmp_path, broker, str(clip))):
        wait(lambda: any(said.startswith("Visit ") for said in home.notifications()), "the end of a visit")
        said = next(each for each in home.notifications() if each.startswith("Visit "))
        assert re.fullmatch(r"Visit [0-9a-f]{12} ended after \d+(\.\d+)? s\.", said)
        device = next(e for e in home.ask("config/device_registry/list") if e["name"] == "maskd lobby door")
        triggers = home.ask("device_automation/trigger/list", device_id=device["id"])
        offered = {(each["type"], each["subtype"]) for each in triggers if each["domain"] == "mqtt"}
        assert offered == {("started", "without_mask"), ("started", "mask_weared_incorrect")}
        trigger = next(each for each in triggers if each.get("subtype") == "without_mask")
        trigger.pop("metadata", None)
        with home.subscribed("subscribe_trigger", trigger=trigger) as answers:
            assert answers.stdout is not None
            fired = json.loads(answers.stdout.readline())
        event = json.loads(fired["variables"]["trigger"]["payload"])
        assert (event["type"], event["status"]) == ("started", "without_mask")
    assert complaints(home) == []


def test_events_that_waited_reach_automations_before_the_camera_is_connected(
    home: HomeAssistant, broker: Mosquitto, tmp_path: Path, clip: Path
) -> None:
    config = write(tmp_path, broker, str(clip))
    broker.stop()
    try:
        with running(config) as process:
            log = config.with_suffix(".log")
            wait(lambda: " ended " in log.read_text(encoding="utf-8"), "events without a broker")
            process.kill()
            process.wait()
    finally:
        broker.start()
    wait(lambda: home.state("binary_sensor.maskd_lobby_online") == "off", "Home Assistant back at the broker")
    write(tmp_path, broker, f"rtsp://{HOST}:9/none")
    waited = home.states()["automation.greet_and_say_how_long_the_visit_was"]["attributes"]["last_triggered"]
    with shown(home, config):

        def triggered() -> bool:
            automation = home.states()["automation.greet_and_say_how_long_the_visit_was"]
            return bool(automation["attributes"]["last_triggered"] != waited)

        wait(triggered, "the automation")
        assert home.state("binary_sensor.maskd_lobby_door_camera_connected") == "off"
        assert home.state("sensor.maskd_lobby_door_people") == "unavailable"
        assert home.state(EVENT) not in SILENT
        assert {"track", "seq"} <= event_of(home).keys()


def last_alarm(home: HomeAssistant) -> str | None:
    found: str | None = home.states()["automation.maskd_is_gone"]["attributes"]["last_triggered"]
    return found


def test_a_power_cut_fires_the_documented_automation(
    home: HomeAssistant, broker: Mosquitto, tmp_path: Path, clip: Path
) -> None:
    with shown(home, write(tmp_path, broker, str(clip))) as process:
        before = last_alarm(home)
        process.kill()
        process.wait()
        wait(lambda: home.state("binary_sensor.maskd_lobby_online") == "off", "the box offline")
        wait(lambda: last_alarm(home) != before, "the automation")
        assert home.state("binary_sensor.maskd_lobby_problem") == "unavailable"
        assert home.state(VIOLATION) == "unavailable"
    assert "maskd lobby has been offline for two minutes." in home.notifications()


def test_a_dead_broker_fires_the_documented_automation_and_all_is_back_with_it(
    home: HomeAssistant, broker: Mosquitto, tmp_path: Path, clip: Path
) -> None:
    with shown(home, write(tmp_path, broker, str(clip))):
        before = last_alarm(home)
        broker.kill()
        try:
            wait(lambda: home.state("binary_sensor.maskd_lobby_online") == "unavailable", "the broker's absence")
            wait(lambda: last_alarm(home) != before, "the automation")
        finally:
            broker.start()
        wait(lambda: home.state("binary_sensor.maskd_lobby_online") == "on", "the box online again")
        wait(lambda: home.state(VIOLATION) in ("on", "off"), "its camera")


@pytest.mark.skipif("MASKD_PICTURES" not in os.environ, reason="draws docs/images: make homeassistant-test PICTURES=1")
def test_its_pages_are_drawn_for_the_docs(home: HomeAssistant, broker: Mosquitto, tmp_path: Path, clip: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with shown(home, write(tmp_path, broker, str(clip), "door", "hall")):
        wait(lambda: home.state("sensor.maskd_lobby_hall_compliance_rate") not in (None, *SILENT), "a window")
        wait(lambda: home.state("sensor.maskd_lobby_door_people") not in ("0", None, *SILENT), "people")
        devices = {each["name"]: each["id"] for each in home.ask("config/device_registry/list")}
        files = {"maskd lobby door": "home-assistant-camera.png", "maskd lobby": "home-assistant-box.png"}
        home.picture(
            chromium,
            {f"/config/devices/device/{devices[name]}": ROOT / "docs/images" / file for name, file in files.items()},
        )


def test_a_camera_that_is_removed_is_gone(home: HomeAssistant, broker: Mosquitto, tmp_path: Path, clip: Path) -> None:
    config = write(tmp_path, broker, str(clip), "door", "yard")
    with shown(home, config):
        wait(lambda: home.state("sensor.maskd_lobby_yard_people") not in (None, *SILENT), "the camera")
    write(tmp_path, broker, str(clip))
    with shown(home, config):
        wait(lambda: not [name for name in home.states() if "lobby_yard" in name], "its entities gone")
        wait(
            lambda: "maskd lobby yard" not in {each["name"] for each in home.ask("config/device_registry/list")},
            "its device gone",
        )
        assert home.state("sensor.maskd_lobby_door_people") is not None
