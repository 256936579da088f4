"""Who is there: the counts by themselves, and how a real broker is told of them."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema

from edge.mqtt.publisher import PRESENCE_PAUSE_S
from edge.payloads.payload import timestamp
from edge.payloads.reports import Presence
from edge.people.presence import PresenceCounts
from tests.mqtt.test_publisher import publishing
from tests.support.mosquitto import Mosquitto, Received, Subscriber
from tests.support.transitions import transition
from tests.support.waiting import wait_until

NOW = timestamp(1_790_000_000)
TOPIC = "maskd/lobby/door/presence"


def after(*transitions: Any) -> Presence:
    counts = PresenceCounts("lobby")
    for each in transitions:
        counts.observe(each)
    return counts.presence("door", NOW)


def test_people_come_change_and_go() -> None:
    a, b = transition(track="a"), transition(track="b", status="with_mask")
    assert after() == Presence(device="lobby", camera="door", people=0, counts={}, violation=False, time=NOW)
    both = after(a, b)
    assert (both.people, both.counts, both.violation) == (2, {"without_mask": 1, "with_mask": 1}, True)
    complied = after(a, b, transition("changed", track="a", status="with_mask", previous="without_mask"))
    assert (complied.people, complied.counts, complied.violation) == (2, {"with_mask": 2}, False)
    left = after(a, b, transition("ended", track="a"))
    assert (left.people, left.violation) == (1, False)
    assert after(a, b, transition("ended", track="a"), transition("ended", track="b")).people == 0


def test_unknown_is_counted_but_is_no_violation() -> None:
    unsure = after(transition(status="unknown"))
    assert (unsure.people, unsure.counts, unsure.violation) == (1, {"unknown": 1}, False)
    assert after(transition(status="mask_weared_incorrect")).violation


def test_cameras_are_counted_apart_and_a_stranger_who_leaves_is_nobody() -> None:
    assert after(transition(camera="gate")).people == 0
    assert after(transition("ended", track="stranger")).people == 0


def shown(subscriber: Subscriber) -> list[Received]:
    return [message for message in subscriber.messages.copy() if message.topic == TOPIC]


def people(subscriber: Subscriber) -> list[int | None]:
    """Of each message in turn; None: the topic was cleared."""
    return [json.loads(message.payload)["people"] if message.payload else None for message in shown(subscriber)]


def test_every_connection_begins_with_the_truth(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber, publishing(mosquitto) as (publisher, _):
        subscriber.wait_for(1, "/presence")
        publisher.observe([transition()])
        wait_until(lambda: people(subscriber) == [0, 1], what="0, then 1")
        mosquitto.restart()
        wait_until(lambda: people(subscriber)[2:3] == [1], what="the same on the next connection")
        first = shown(subscriber)[0]
        assert first.user_properties == {"schema": "maskd.presence/1"}
        jsonschema.validate(json.loads(first.payload), Presence.model_json_schema(mode="serialization"))
    with Subscriber(mosquitto.port, TOPIC) as latecomer:
        assert latecomer.wait_for(1)[0].retained


def test_many_changes_are_told_as_few_and_the_last_one_always(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber, publishing(mosquitto) as (publisher, _):
        subscriber.wait_for(1, "/presence")
        began = time.monotonic()
        for number in range(500):
            publisher.observe([transition(track=f"t{number}")])
            time.sleep(0.001)
        wait_until(lambda: people(subscriber)[-1:] == [500], what="the last state")
        took = time.monotonic() - began
        assert 2 < len(people(subscriber)) <= 3 + took / PRESENCE_PAUSE_S
        assert people(subscriber) == sorted(people(subscriber), key=lambda count: count or 0)


def test_a_broker_that_does_not_answer_is_not_buried(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber, publishing(mosquitto) as (publisher, _):
        subscriber.wait_for(1, "/presence")
        mosquitto.freeze()
        for number in range(30):
            publisher.observe([transition(track=f"t{number}")])
            time.sleep(PRESENCE_PAUSE_S)
        mosquitto.thaw()
        wait_until(lambda: people(subscriber)[-1:] == [30], what="the last state")
        assert len(people(subscriber)) < 25


def test_aggregate_privacy_clears_what_is_known_of_people(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber, publishing(mosquitto) as (publisher, config):
        subscriber.wait_for(1, "/presence")
        publisher.observe([transition(track="a")])
        wait_until(lambda: people(subscriber) == [0, 1], what="somebody")
        publisher.apply(config.model_copy(update={"privacy": "aggregate"}))
        wait_until(lambda: people(subscriber) == [0, 1, None], what="the cleared topic")
        publisher.observe([transition(track="b")])
        time.sleep(3 * PRESENCE_PAUSE_S)  # nothing may come
        assert all(message.payload == b"" for message in shown(subscriber)[2:])
        with Subscriber(mosquitto.port, "maskd/lobby/#") as latecomer:
            latecomer.wait_for(1, "/status")
            assert shown(latecomer) == []
        publisher.apply(config)
        wait_until(lambda: people(subscriber)[-1:] == [2], what="everybody who is there")
