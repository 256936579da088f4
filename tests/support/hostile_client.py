"""`python -m tests.support.hostile_client PORT`: a client for a hostile broker, until its stdin is closed."""

from __future__ import annotations

import logging
import sys

from edge.config import MqttSettings
from edge.daemon.logs import configure_logging
from edge.mqtt import MqttClient, connection_history
from edge.system.backoff import Backoff


def main() -> None:
    configure_logging("info")
    connection_history.DEAF_S = 0.2
    client = MqttClient(MqttSettings(host="127.0.0.1", port=int(sys.argv[1])), "lobby", backoff=Backoff(0.05, 0.1))
    client.subscribe("#", lambda _incoming: None)
    client.start()
    logging.getLogger(__name__).info("started")
    sys.stdin.read()
    client.stop()


if __name__ == "__main__":
    main()
