"""The test broker and subscriber themselves, since other tests rest on them."""

from __future__ import annotations

from tests.support.mosquitto import Mosquitto, Subscriber


def test_subscriber_comes_back_after_a_restart(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "a/#") as subscriber:
        mosquitto.kill()
        mosquitto.start()
        assert subscriber.subscribed.wait(10)
