"""The thread that commits what happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.config import Config
from edge.payloads.events import Draft, Event
from edge.people.transition import Transition
from edge.store.event_writer import EventWriter
from edge.store.outbox import Outbox
from edge.system.deadline import Deadline
from tests.support.transitions import MODELS, TOPICS, transition
from tests.support.waiting import wait_until


class SlowOutbox(Outbox):
    """A real outbox on a disk that takes nothing while `works` is clear."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, max_events=1000, max_bytes=1_000_000)
        self.works = threading.Event()
        self.works.set()
        self.commits = 0

    def append(self, drafts: Sequence[Draft]) -> list[Event]:
        assert self.works.wait(60)
        self.commits += 1
        return super().append(drafts)


class Writing:
    def __init__(self, folder: Path, queue_limit: int) -> None:
        self.outbox = SlowOutbox(folder)
        self.outbox.open()
        self.committed: list[tuple[Transition, int]] = []
        """What followers were told, and how many events were safe then."""
        self.failures: list[BaseException] = []
        self.writer = EventWriter(
            self.outbox,
            TOPICS,
            MODELS,
            "events",
            on_committed=[lambda told: self.committed.extend((each, self.outbox.depth) for each in told)],
            on_failure=self.failures.append,
            queue_limit=queue_limit,
        )

    @property
    def tracks(self) -> list[str]:
        return [each.track for each, _ in self.committed]


@contextmanager
def writing(folder: Path, *, queue_limit: int = 1000) -> Iterator[Writing]:
    parts = Writing(folder, queue_limit)
    parts.writer.start()
    try:
        yield parts
    finally:
        parts.outbox.works.set()
        parts.writer.stop(Deadline(60))
        parts.outbox.close()
    assert parts.failures == []


def test_vision_goes_on_while_the_disk_is_slow_and_what_waits_is_one_commit(tmp_path: Path) -> None:
    with writing(tmp_path) as parts:
        parts.outbox.works.clear()
        parts.writer.put([transition(track="first")])
        wait_until(lambda: parts.writer.unsaved == 0, what="the first is with the disk")
        for number in range(50):
            parts.writer.put([transition(track=f"t{number}"), transition(track=f"g{number}", camera="gate")])
        assert parts.writer.unsaved == 100
        assert parts.committed == [], "nothing is announced before it is safe"
        parts.outbox.works.set()
        wait_until(lambda: len(parts.committed) == 101, what="all of them")
        assert parts.tracks[:4] == ["first", "t0", "g0", "t1"]
        assert [safe for _, safe in parts.committed] == [1] + 100 * [101]
        assert parts.outbox.commits == 2
        assert [pending.topic for pending in parts.outbox.pending(3)] == [
            "maskd/lobby/door/event",
            "maskd/lobby/door/event",
            "maskd/lobby/gate/event",
        ]
        assert not parts.writer.status().problems


def test_a_full_queue_holds_the_vision_thread_up_and_loses_nothing(tmp_path: Path) -> None:
    with writing(tmp_path, queue_limit=10) as parts:
        parts.outbox.works.clear()
        put: list[int] = []

        def happen() -> None:
            for number in range(40):
                parts.writer.put([transition(track=f"t{number}")])
                put.append(number)

        vision = threading.Thread(target=happen)
        vision.start()
        wait_until(lambda: parts.writer.status().problems, what="the problem")
        assert len(put) < 40
        (problem,) = parts.writer.status().problems
        assert f"the disk of {tmp_path} is so slow that the cameras wait for it" in problem
        parts.outbox.works.set()
        vision.join(60)
        wait_until(lambda: len(parts.committed) == 40, what="all of them")
        assert parts.tracks == [f"t{number}" for number in range(40)]


def test_a_stop_commits_what_waits(tmp_path: Path) -> None:
    with writing(tmp_path) as parts:
        parts.outbox.works.clear()
        parts.writer.put([transition(track="a")])
        parts.writer.put([transition("ended", track="a")])
        threading.Timer(0.2, parts.outbox.works.set).start()
        parts.writer.stop(Deadline(60))
        assert (parts.outbox.depth, parts.writer.unsaved) == (2, 0)


def test_a_disk_that_hangs_at_the_stop_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with writing(tmp_path) as parts:
        parts.outbox.works.clear()
        parts.writer.put([transition(track="a")])
        wait_until(lambda: parts.writer.unsaved == 0, what="it is with the disk")
        parts.writer.put([transition("ended", track="a")])
        parts.writer.stop(Deadline(0.1))
        assert "not every event was written to disk in time" in caplog.text
        assert parts.writer.unsaved == 1


def test_privacy_ends_at_once_those_who_were_announced(tmp_path: Path) -> None:
    with writing(tmp_path) as parts:
        parts.writer.put([transition(track="a")])
        wait_until(lambda: parts.outbox.depth == 1, what="the first")
        parts.writer.apply(Config(privacy="aggregate"))
        wait_until(lambda: parts.outbox.depth == 2, what="its end, though nothing happens")
        parts.writer.put([transition(track="b"), transition("ended", track="a")])
        wait_until(lambda: parts.tracks[1:] == ["b", "a"], what="what counts alone see")
        assert [b'"type":"ended"' in pending.payload for pending in parts.outbox.pending(10)] == [False, True]


def test_a_clock_that_is_set_while_an_event_waits_moves_it_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with writing(tmp_path) as parts:
        parts.outbox.works.clear()
        parts.writer.put([transition(track="first")])
        wait_until(lambda: parts.writer.unsaved == 0, what="the first is with the disk")
        now = time.monotonic()
        parts.writer.put([transition(track="a", started_at=now, at=now)])
        happened = time.time()
        monkeypatch.setattr("edge.store.event_writer.time.time", lambda: happened + 86_400)
        parts.outbox.works.set()
        wait_until(lambda: parts.outbox.depth == 2, what="both")
        event = Event.model_validate_json(parts.outbox.pending(2)[1].payload)
        assert event.time.startswith(time.strftime("%Y-%m-%d", time.gmtime(happened)))
