from __future__ import annotations

from pathlib import Path

from edge.messaging.event_writer import EventWriter
from edge.messaging.outbox import Outbox
from tests.people import MODELS, TOPICS, transition


def test_a_round_of_all_cameras_is_one_commit_and_a_quiet_one_is_none(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, max_events=100, max_bytes=1_000_000)
    outbox.open()
    commits: list[None] = []
    outbox.on_commit = lambda: commits.append(None)
    writer = EventWriter(outbox, TOPICS, MODELS, "events")
    writer.write([transition(track="a"), transition(track="b", camera="gate"), transition("ended", track="a")])
    assert (len(commits), outbox.depth) == (1, 3)
    assert [pending.topic for pending in outbox.pending(10)] == [
        "maskd/lobby/door/event",
        "maskd/lobby/gate/event",
        "maskd/lobby/door/event",
    ]
    writer.write([])
    assert len(commits) == 1
    outbox.close()


def test_privacy_holds_from_the_next_round_on(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, max_events=100, max_bytes=1_000_000)
    outbox.open()
    writer = EventWriter(outbox, TOPICS, MODELS, "events")
    writer.write([transition(track="a")])
    writer.privacy = "aggregate"
    writer.write([transition(track="b")])
    assert [b'"type":"ended"' in pending.payload for pending in outbox.pending(10)] == [False, True]
    outbox.close()
