"""Commits and sends events until it is killed: `python -m tests.support.sending_process FOLDER PORT`."""

from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path

from edge.config import MqttSettings
from edge.mqtt import MqttClient
from edge.mqtt.sender import Sender
from edge.store.outbox import Outbox
from edge.system.backoff import Backoff
from tests.support.transitions import drafts, transition


def main() -> None:
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    outbox = Outbox(folder, max_events=100_000, max_bytes=100_000_000)
    outbox.open()
    outbox.recover(time.time())
    client = MqttClient(MqttSettings(host="127.0.0.1", port=port), "lobby", backoff=Backoff(0.05, 0.2))
    sender = Sender(outbox, client, on_failure=lambda error: sys.exit(str(error)))
    sender.start()
    client.start()
    for number in count():
        outbox.append(drafts(transition(track=f"{time.time_ns()}-{number}")))
        time.sleep(0.01)


if __name__ == "__main__":
    main()
