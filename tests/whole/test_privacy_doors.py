"""`privacy: aggregate`: whatever a running daemon shows of people is the counts of closed windows."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from edge.web.logins import FILE_NAME, write_logins
from tests.support.homeassistant_check import expanded, whole_components
from tests.support.mosquitto import HOST, Mosquitto, Received, Subscriber, free_port

pytest.importorskip("skimage", reason="the clip is made from scikit-image's portrait")

from tests.control.test_apply import Device
from tests.daemon.test_daemon import assert_each_person_ends, availability, events, running, write_config
from tests.support.waiting import wait_until
from tests.support.web_page import LOGINS, TOKEN, Client, is_listening
from tests.web.test_page_doors import every_route
from tools.demo_clip.clip import make_clip

OF_A_PERSON = ("track", "box", "confidence", "votes", "duration_s", "previous", "seq", "violation")
"""Fields and words that only events, or live labels, have."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds in which A, with a mask, is there from the second to the seventh, and B comes."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    make_clip(path, duration_s=9)
    return path


def write(folder: Path, broker: Mosquitto, clip: Path, privacy: str) -> Path:
    mqtt = {"host": HOST, "port": broker.port, "commands": True, "window_s": 2, "status_interval_s": 1}
    return write_config(
        folder, broker.port, mqtt=mqtt, privacy=privacy, cameras={"door": {"source": str(clip), "loop": True}}
    )


def log_of(config: Path) -> str:
    return config.with_suffix(".log").read_text(encoding="utf-8")


def committed(config: Path) -> int:
    return log_of(config).count(" seq ")


@contextmanager
def device(config: Path, broker: Mosquitto) -> Iterator[Device]:
    with Subscriber(broker.port, "#") as subscriber, running(config) as process:
        yield Device(subscriber, broker.port, process, config)


def wait_for_privacy(device: Device, privacy: str) -> None:
    wait_until(lambda: device.status()["privacy"] == privacy, what=f"privacy {privacy}")


def wait_for_windows(device: Device, count: int) -> None:
    """Until so many more windows with people have ended: that long somebody was there, and was not told of."""

    def with_people() -> int:
        windows = [m for m in device.subscriber.messages.copy() if m.topic.endswith("/compliance")]
        return sum(json.loads(window.payload)["people"] > 0 for window in windows)

    before = with_people()
    wait_until(lambda: with_people() >= before + count, what="windows with people")


def assert_doors_are_closed(messages: list[Received], recorded: list[bytes], log: str) -> None:
    """`messages`, the `recorded` lines and the `log`: of a time in which aggregate was in effect."""
    kinds = {message.topic.rpartition("/")[2] for message in messages if message.payload}
    assert kinds <= {"availability", "camera", "status", "compliance", "totals", "state", "set", "config"}
    for index, message in enumerate(messages):
        if message.topic.endswith("/status"):
            status = json.loads(message.payload)
            assert status["outbox"]["oldest_unsent_s"] is None
            assert status["outbox"]["withheld"] == status["outbox"]["depth"]
        elif message.topic.endswith("/totals"):
            assert_they_moved_with_a_window(message, messages[:index])
        elif message.topic.startswith("homeassistant/device/"):
            assert_what_tells_of_people_is_unavailable(message)
            continue
        assert not [word for word in OF_A_PERSON if f'"{word}"'.encode() in message.payload], message
    assert recorded == []
    assert "track" not in log
    assert " seq " not in log


def assert_they_moved_with_a_window(totals: Received, before: list[Received]) -> None:
    """Counts that differ from those published before have a window between the two."""
    earlier = [index for index, message in enumerate(before) if message.topic == totals.topic]
    if not earlier:
        return
    counts = [json.loads(each.payload)["visits"] for each in (before[earlier[-1]], totals)]
    if counts[0] != counts[1]:
        assert any(message.topic.endswith("/compliance") for message in before[earlier[-1] :]), totals


def assert_what_tells_of_people_is_unavailable(announcement: Received) -> None:
    """They are available by who is present, which is not told in `aggregate`."""
    for component in whole_components(expanded(announcement.payload)).values():
        if component.get("state_topic", "").endswith(("/event", "/presence")):
            assert component["availability"] == [{"topic": "maskd/lobby/door/presence"}]
            assert component["availability_mode"] == "all"


def recorded(config: Path) -> list[bytes]:
    folder = yaml.safe_load(config.read_text(encoding="utf-8"))["storage"]["path"]
    return [line for path in sorted(Path(folder, "record").glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def test_what_waited_is_withheld_by_a_start_in_aggregate_and_sent_once_it_is_events_again(
    tmp_path: Path, mosquitto: Mosquitto, clip: Path
) -> None:
    """In `aggregate`, broker, log and record get only the counts of closed windows, whatever waited before."""
    config = write(tmp_path, mosquitto, clip, "events")
    mosquitto.stop()
    with running(config) as process:
        wait_until(lambda: committed(config) >= 3, what="events without a broker")
        process.kill()
        process.wait()
    mosquitto.start()
    write(tmp_path, mosquitto, clip, "aggregate")
    log, lines = len(log_of(config)), len(recorded(config))
    with device(config, mosquitto) as maskd:
        wait_for_privacy(maskd, "aggregate")
        wait_for_windows(maskd, 2)
        withheld = maskd.status()["outbox"]["withheld"]
        assert withheld >= 3
        # Those who were there as it was killed get their `ended`, which waits like all else.
        ended_by_the_start = recorded(config)[lines:]
        assert {json.loads(line)["type"] for line in ended_by_the_start} <= {"ended"}
        in_aggregate = maskd.subscriber.messages.copy()
        assert_doors_are_closed(in_aggregate, recorded(config)[lines + len(ended_by_the_start) :], log_of(config)[log:])
        assert f"{withheld} events" in log_of(config)[log:]
        process = maskd.process
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        wait_until(lambda: availability(maskd.subscriber)[-1:] == [b"offline"], what="the goodbye")
        assert events(maskd.subscriber) == []
    write(tmp_path, mosquitto, clip, "events")
    with device(config, mosquitto) as maskd:
        wait_until(lambda: len(events(maskd.subscriber)) > withheld, what="what was withheld, and more")
        wait_until(lambda: maskd.status()["outbox"]["withheld"] == 0, what="the status")
        maskd.process.send_signal(signal.SIGTERM)
        assert maskd.process.wait(timeout=30) == 0
        received = events(maskd.subscriber)
        assert [event["seq"] for event in received] == list(range(1, len(received) + 1))
        assert_each_person_ends(received)


@pytest.mark.parametrize("how", ["command", "reload"])
def test_what_the_broker_has_not_acknowledged_is_withheld_by_a_switch(
    tmp_path: Path, mosquitto: Mosquitto, clip: Path, how: str
) -> None:
    config = write(tmp_path, mosquitto, clip, "events")
    with device(config, mosquitto) as maskd:
        wait_until(lambda: events(maskd.subscriber) and maskd.here(), what="somebody")
        if how == "command":
            maskd.command("privacy", "aggregate")
        else:
            mosquitto.freeze()
            before = committed(config)
            wait_until(lambda: committed(config) > before, what="an event that is not acknowledged")
            write(tmp_path, mosquitto, clip, "aggregate")
            maskd.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "was reloaded" in maskd.log, what="the reload")
            mosquitto.thaw()
        wait_for_privacy(maskd, "aggregate")
        wait_until(lambda: maskd.latest("door/presence") is None, what="the cleared presence")
        wait_until(lambda: maskd.status()["outbox"]["withheld"] > 0, what="the withheld `ended`")
        count, log, lines = len(maskd.subscriber.messages), len(maskd.log), len(recorded(config))
        wait_for_windows(maskd, 3)
        assert_doors_are_closed(maskd.subscriber.messages[count:], recorded(config)[lines:], maskd.log[log:])
        if how == "command":
            maskd.command("privacy", "events")
        else:
            write(tmp_path, mosquitto, clip, "events")
            maskd.process.send_signal(signal.SIGHUP)
        wait_until(lambda: maskd.here(), what="somebody new")
        wait_until(lambda: maskd.status()["outbox"]["withheld"] == 0, what="the status")
        maskd.process.send_signal(signal.SIGTERM)
        assert maskd.process.wait(timeout=30) == 0
        wait_until(lambda: availability(maskd.subscriber)[-1:] == [b"offline"], what="the goodbye")
        received = sorted(events(maskd.subscriber), key=lambda event: int(event["seq"]))
        assert [event["seq"] for event in received] == list(range(1, len(received) + 1))
        assert_each_person_ends(received)


def test_the_page_shows_closed_windows_alone(tmp_path: Path, mosquitto: Mosquitto, clip: Path) -> None:
    """In `aggregate`, the page and its metrics show of people the counts of closed windows alone."""
    config = write(tmp_path, mosquitto, clip, "aggregate")
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    port = values.setdefault("web", {})["port"] = free_port()
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    write_logins(Path(values["storage"]["path"], FILE_NAME), LOGINS)
    with device(config, mosquitto) as maskd:
        wait_for_windows(maskd, 2)
        wait_until(lambda: is_listening(port), what="the page")
        client = Client(port, headers={"Authorization": f"Bearer {TOKEN}"})
        answers = {path: client.get(path).text for method, path in every_route(tmp_path) if method == "GET"}
        assert len(answers) > 12
        for path, text in answers.items():
            if not path.startswith("/static"):
                assert not [word for word in OF_A_PERSON if f'"{word}":' in text], path
        assert 'maskd_visits_total{camera="door"}' in answers["/metrics"]
        for name in ("maskd_people{", "maskd_events_total{", "maskd_zone_events_total{", 'stage="classify"'):
            assert name not in answers["/metrics"]
        for path in ("/api/events", "/api/events.csv", "/api/events.json", "/api/trends"):
            assert "privacy is aggregate" in answers[path]
