"""The counts of visits: on disk, and at a real broker."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.mqtt import MqttClient
from edge.mqtt.totals import TotalsPublisher
from edge.system.backoff import Backoff
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.transitions import transition
from tests.support.waiting import wait_until

TOPIC = "maskd/lobby/door/totals"
TODAY = date(2026, 11, 28)


def config_for(broker: Mosquitto, folder: Path, *cameras: str, privacy: str = "events") -> Config:
    return Config.model_validate(
        {
            "device": "lobby",
            "privacy": privacy,
            "cameras": {camera: {"source": "demo"} for camera in cameras or ("door",)},
            "mqtt": {"host": broker.host, "port": broker.port},
            "storage": {"path": str(folder)},
        }
    )


@contextmanager
def counting(
    config: Config, today: list[date] | None = None, *, save_pause_s: float = 0.0
) -> Iterator[TotalsPublisher]:
    """`today`: its last is the day."""
    days = [TODAY] if today is None else today
    client = MqttClient(config.mqtt, config.device, backoff=Backoff(0.05, 0.2))
    failures: list[BaseException] = []
    totals = TotalsPublisher(
        client, config, on_failure=failures.append, today=lambda: days[-1], save_pause_s=save_pause_s
    )
    totals.start()
    client.start()
    try:
        yield totals
    finally:
        totals.stop()
        client.stop()
    assert failures == []


def shown(subscriber: Subscriber, topic: str = TOPIC) -> dict[str, Any]:
    """What was last published."""
    told = [message.payload for message in subscriber.messages.copy() if message.topic == topic]
    found: dict[str, Any] = json.loads(told[-1]) if told else {}
    return found


def numbers(told: dict[str, Any]) -> list[int]:
    """Visits and violations, ever and today."""
    return [part[name] for part in (told, told["today"]) for name in ("visits", "violations")] if told else []


def test_the_counts_are_retained_and_go_on_after_a_restart(mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = config_for(mosquitto, tmp_path)
    with Subscriber(mosquitto.port, TOPIC) as subscriber:
        with counting(config) as totals:
            wait_until(lambda: numbers(shown(subscriber)) == [0, 0, 0, 0], what="the first counts")
            totals.observe([transition(track="a"), transition(track="b", status="with_mask")])
            wait_until(lambda: numbers(shown(subscriber)) == [2, 1, 2, 1], what="two visits")
        with counting(config) as totals:
            totals.observe([transition(track="c")])
            wait_until(lambda: numbers(shown(subscriber)) == [3, 2, 3, 2], what="a third visit")
        first = subscriber.messages[0]
    assert first.user_properties == {"schema": "maskd.totals/1"}
    with Subscriber(mosquitto.port, TOPIC) as latecomer:
        assert latecomer.wait_for(1)[0].retained


def test_what_was_counted_last_is_saved_and_published_at_the_stop(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Subscriber(mosquitto.port, TOPIC) as subscriber:
        with counting(config_for(mosquitto, tmp_path), save_pause_s=3600) as totals:
            wait_until(lambda: shown(subscriber), what="the first counts")
            totals.observe([transition(track="a")])
        wait_until(lambda: numbers(shown(subscriber)) == [1, 1, 1, 1], what="the visit")
    assert json.loads((tmp_path / "totals.json").read_text())["cameras"]["door"]["visits"] == 1


def test_nothing_is_published_that_a_power_cut_would_take_back(mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = config_for(mosquitto, tmp_path)
    with (
        Subscriber(mosquitto.port, "maskd/#") as subscriber,
        counting(config, save_pause_s=3600) as totals,
    ):
        wait_until(lambda: shown(subscriber), what="the first counts")
        totals.observe([transition(track="a")])
        totals.republish()
        subscriber.wait_for(2, "/totals")
        saved = json.loads((tmp_path / "totals.json").read_text())["cameras"]["door"]
        assert (shown(subscriber)["visits"], saved["visits"]) == (0, 0)


def test_with_aggregate_the_counts_move_at_the_end_of_a_window_only(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with (
        Subscriber(mosquitto.port, TOPIC) as subscriber,
        counting(config_for(mosquitto, tmp_path, privacy="aggregate")) as totals,
    ):
        wait_until(lambda: shown(subscriber), what="the first counts")
        totals.observe([transition(track="a")])
        totals.republish()
        subscriber.wait_for(2)
        assert numbers(shown(subscriber)) == [0, 0, 0, 0]
        assert json.loads((tmp_path / "totals.json").read_text())["cameras"]["door"]["visits"] == 0
        totals.window_closed()
        wait_until(lambda: numbers(shown(subscriber)) == [1, 1, 1, 1], what="the visit")


def test_what_was_counted_just_before_a_switch_to_aggregate_waits_for_the_window(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with (
        Subscriber(mosquitto.port, TOPIC) as subscriber,
        counting(config_for(mosquitto, tmp_path)) as totals,
    ):
        wait_until(lambda: shown(subscriber), what="the first counts")
        totals.observe([transition(track="a")])
        totals.apply(config_for(mosquitto, tmp_path, privacy="aggregate"))
        before = len(subscriber.messages)
        for _ in range(2):  # each after a step of the thread
            totals.republish()
            subscriber.wait_for(before + 1)
            before = len(subscriber.messages)
        assert numbers(shown(subscriber)) == [0, 0, 0, 0]
        totals.window_closed()
        wait_until(lambda: numbers(shown(subscriber)) == [1, 1, 1, 1], what="the visit")


def test_a_new_day_is_published_without_a_visit(mosquitto: Mosquitto, tmp_path: Path) -> None:
    days = [TODAY]
    with Subscriber(mosquitto.port, TOPIC) as subscriber, counting(config_for(mosquitto, tmp_path), days) as totals:
        totals.observe([transition(track="a")])
        wait_until(lambda: numbers(shown(subscriber)) == [1, 1, 1, 1], what="the visit")
        days.append(date(2026, 11, 29))
        wait_until(lambda: numbers(shown(subscriber)) == [1, 1, 0, 0], what="the new day")


def test_a_new_camera_has_counts_at_once_and_every_connection_gets_all(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with (
        Subscriber(mosquitto.port, "maskd/#") as subscriber,
        counting(config_for(mosquitto, tmp_path)) as totals,
    ):
        wait_until(lambda: shown(subscriber), what="the first counts")
        totals.apply(config_for(mosquitto, tmp_path, "door", "hall"))
        wait_until(lambda: shown(subscriber, "maskd/lobby/hall/totals"), what="the new camera's")
        mosquitto.restart()  # with an empty memory
        subscriber.wait_for(2, "hall/totals")
        subscriber.wait_for(3, "door/totals")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"day": "x", "cameras": {}}', '{"day": "2026-11-28"}'])
def test_a_damaged_file_is_told_of_and_counting_begins_at_zero(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "totals.json").write_text(text)
    with Subscriber(mosquitto.port, TOPIC) as subscriber, counting(config_for(mosquitto, tmp_path)):
        wait_until(lambda: numbers(shown(subscriber)) == [0, 0, 0, 0], what="the counts")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"the counts of visits cannot be read from {tmp_path}/totals.json: it is damaged; counting begins at 0 again"
    ]


def test_a_disk_that_refuses_is_told_of_once_and_the_counts_go_on(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_for(mosquitto, tmp_path / "missing")
    with Subscriber(mosquitto.port, TOPIC) as subscriber, counting(config) as totals:
        for number in (1, 2):
            totals.observe([transition(track=str(number))])
            wait_until(lambda number=number: (shown(subscriber) or {"visits": 0})["visits"] == number)  # type: ignore[misc]
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == [
        f"the counts of visits cannot be saved in {tmp_path}/missing/totals.json: No such file or directory; visits "
        "counted before this is fixed are missing from the counts after a restart"
    ]
