"""From an event on the disk to an action, through crashes and switches of privacy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from edge.config import Config
from tests.support.acting import Acting, config
from tests.support.places import ROOT
from tests.support.transitions import passers_by
from tests.support.waiting import wait_until
from tests.support.webhook_server import WebhookServer


@contextmanager
def acting(first: Config) -> Iterator[Acting]:
    it = Acting(first)
    it.start()
    try:
        yield it
    finally:
        it.stop()


def tracks(server: WebhookServer) -> list[str]:
    return [call.json["track"] for call in server.calls]


def test_an_event_becomes_one_call(tmp_path: Path) -> None:
    with WebhookServer() as server, acting(config(tmp_path, server.url)) as it:
        drafts = passers_by(3)
        it.commit(drafts)
        wait_until(lambda: len(server.calls) == 3, what="three calls")
        assert tracks(server) == ["t0", "t1", "t2"]
        assert [call.json["event_id"] for call in server.calls] == [str(draft.id) for draft in drafts]


def test_what_was_committed_just_before_a_crash_is_acted_on_at_the_next_start(tmp_path: Path) -> None:
    with WebhookServer() as server:
        settings = config(tmp_path, server.url)
        with acting(settings) as it:
            it.commit(passers_by(2))
            wait_until(lambda: len(server.calls) == 2, what="two calls")
            it.commit(passers_by(2, first=2), then_tell=False)
        with acting(settings):
            wait_until(lambda: len(server.calls) == 4, what="the other two")
            assert [call.json["recovered"] for call in server.calls] == [False, False, True, True]
        with acting(settings) as it:
            it.commit(passers_by(1, first=9))
            wait_until(lambda: len(server.calls) == 5, what="the last")
        assert tracks(server) == ["t0", "t1", "t2", "t3", "t9"]


def test_a_power_cut_that_takes_the_end_of_the_record_takes_no_action_with_it(tmp_path: Path) -> None:
    with WebhookServer() as server:
        settings = config(tmp_path, server.url)
        with acting(settings) as it:
            it.commit(passers_by(5))
            wait_until(lambda: len(server.calls) == 5, what="the calls")
        (record,) = (tmp_path / "record").glob("*.jsonl")
        lines = record.read_bytes().splitlines(keepends=True)
        with acting(settings) as it:
            it.outbox.acknowledge(range(1, 6))
            it.commit(passers_by(2, first=5), then_tell=False)
        added = record.read_bytes().splitlines(keepends=True)[5:]
        record.write_bytes(b"".join(lines[:3] + added))
        with acting(settings):
            wait_until(lambda: len(server.calls) == 7, what="the other two")
        assert tracks(server) == ["t0", "t1", "t2", "t3", "t4", "t5", "t6"]


def test_a_power_cut_that_takes_all_of_the_record_takes_no_action_with_it(tmp_path: Path) -> None:
    with WebhookServer() as server:
        settings = config(tmp_path, server.url)
        with acting(settings) as it:
            it.commit(passers_by(3, at=103.0))
            wait_until(lambda: len(server.calls) == 3, what="the calls")
        (record,) = (tmp_path / "record").glob("*.jsonl")
        with acting(settings) as it:
            it.commit(passers_by(2, first=3, at=104.0), then_tell=False)
        record.write_bytes(b"".join(record.read_bytes().splitlines(keepends=True)[3:]))
        with acting(settings):
            wait_until(lambda: len(server.calls) == 5, what="the other two")
        assert tracks(server) == ["t0", "t1", "t2", "t3", "t4"]


def test_a_clock_that_was_wrong_for_a_while_hides_no_event(tmp_path: Path) -> None:
    with WebhookServer() as server:
        settings = config(tmp_path, server.url)
        with acting(settings) as it:
            it.commit(passers_by(3))
            wait_until(lambda: len(server.calls) == 3, what="the calls")
        (record,) = (tmp_path / "record").glob("*.jsonl")
        record.rename(record.with_name("2999-01-01.jsonl"))
        with acting(settings) as it:
            it.commit(passers_by(2, first=3), then_tell=False)
        with acting(settings):
            wait_until(lambda: len(server.calls) == 5, what="the other two")
        assert tracks(server) == ["t0", "t1", "t2", "t3", "t4"]


def test_rules_that_are_new_do_not_act_on_what_was_before_them(tmp_path: Path) -> None:
    with WebhookServer() as server:
        with acting(config(tmp_path, server.url, rules={})) as it:
            it.commit(passers_by(3))
            it.apply(config(tmp_path, server.url))
            wait_until(lambda: it.queue.seen(), what="the beginning")
            it.commit(passers_by(1, first=7))
            wait_until(lambda: server.calls, what="the call")
        with acting(config(tmp_path, server.url, rules={})) as it:
            it.commit(passers_by(1, first=20))
        with acting(config(tmp_path, server.url)) as it:
            it.commit(passers_by(1, first=30))
            wait_until(lambda: len(server.calls) == 2, what="the call")
        assert tracks(server) == ["t7", "t30"]


def test_an_output_that_hangs_keeps_no_other_waiting(tmp_path: Path) -> None:
    with WebhookServer() as slow, WebhookServer() as quick:
        outputs = {"webhook": {"chat": {"url": slow.url, "timeout_s": 60}, "desk": {"url": quick.url}}}
        rules = {"remind": {"do": ["chat", "desk"]}}
        slow.hangs.set()
        with acting(config(tmp_path, slow.url, outputs=outputs, rules=rules)) as it:
            it.commit(passers_by(20))
            wait_until(lambda: len(quick.calls) == 20 and it.queue.depth("desk") == 0, what="twenty calls")
            assert len(slow.calls) == 1
            assert it.outputs.status().fields == {"actions": {"waiting": {"chat": 20, "desk": 0}, "dropped": 0}}


def test_in_aggregate_nothing_acts_and_what_waits_is_withheld(tmp_path: Path) -> None:
    server = WebhookServer()
    with server:
        url = server.url
    with acting(config(tmp_path, url)) as it:
        it.commit(passers_by(1))
        wait_until(lambda: it.queue.depth("chat") == 1 and it.outputs.status().problems, what="the outage")
        it.apply(config(tmp_path, url, privacy="aggregate"))
        with server:
            it.rules.published(passers_by(1, first=5))
            it.rules._worker.wake()
            wait_until(lambda: not it.rules._events, what="the rules")
            assert server.calls == []
            it.apply(config(tmp_path, url))
            wait_until(lambda: server.calls, what="the call")
    assert tracks(server) == ["t0"]


def test_an_output_that_is_taken_out_takes_what_waits_with_it(tmp_path: Path) -> None:
    server = WebhookServer()
    with server:
        url = server.url
    with acting(config(tmp_path, url)) as it:
        it.commit(passers_by(2))
        wait_until(lambda: it.queue.depth("chat") == 2, what="the outage")
        it.apply(config(tmp_path, url, rules={}, outputs={}))
        assert it.queue.depth("chat") == 0
        it.apply(config(tmp_path, url))
        with server:
            it.commit(passers_by(1, first=8))
            wait_until(lambda: server.calls, what="the call")
    assert tracks(server) == ["t8"]


def test_a_changed_address_gets_what_waited(tmp_path: Path) -> None:
    old = WebhookServer()
    with old:
        url = old.url
    with WebhookServer() as new, acting(config(tmp_path, url)) as it:
        it.commit(passers_by(2))
        wait_until(lambda: it.queue.depth("chat") == 2, what="the outage")
        it.apply(config(tmp_path, new.url))
        wait_until(lambda: len(new.calls) == 2, what="the calls")


def test_no_more_wait_than_allowed(tmp_path: Path) -> None:
    server = WebhookServer()
    with server:
        url = server.url
    outputs = {"webhook": {"chat": {"url": url, "max_waiting": 3}}}
    with acting(config(tmp_path, url, outputs=outputs)) as it:
        it.commit(passers_by(5))
        wait_until(lambda: it.queue.lost == 2, what="the limit")
        assert "too many waited" in "; ".join(it.outputs.status().problems)
        with server:
            wait_until(lambda: it.queue.depth("chat") == 0, what="the rest")
    assert tracks(server) == ["t2", "t3", "t4"]


def refuse(it: Acting, refuses: bool) -> None:
    with it.queue._lock:
        it.queue._file._open_db().execute(f"PRAGMA query_only={int(refuses)}")


def test_a_disk_that_refuses_delays_no_action(tmp_path: Path) -> None:
    with WebhookServer() as server, acting(config(tmp_path, server.url)) as it:
        it.commit(passers_by(1))
        wait_until(lambda: server.calls and it.queue.depth("chat") == 0, what="the first call")
        refuse(it, True)
        it.commit(passers_by(1, first=1))
        wait_until(lambda: len(server.calls) == 2, what="the call")
        it.commit(passers_by(1, first=2))
        wait_until(lambda: len(server.calls) == 3, what="another call")
        assert "cannot be written" in "; ".join(it.outputs.status().problems)
        refuse(it, False)
        wait_until(lambda: not it.outputs.status().problems, what="the disk")
    assert tracks(server) == ["t0", "t1", "t2"]


def test_what_a_disk_does_not_let_go_is_not_done_again(tmp_path: Path) -> None:
    server = WebhookServer()
    with server:
        url = server.url
    with acting(config(tmp_path, url)) as it:
        it.commit(passers_by(3))
        wait_until(lambda: it.queue.depth("chat") == 3, what="the outage")
        refuse(it, True)
        with server:
            wait_until(lambda: it.queue.depth("chat") == 0, what="the calls")
            it.commit(passers_by(1, first=3))
            wait_until(lambda: len(server.calls) == 4, what="the next call")
        refuse(it, False)
        wait_until(lambda: not it.outputs.status().problems, what="the disk")
        assert it.queue._file.depths() == {}
    assert tracks(server) == ["t0", "t1", "t2", "t3"]


def test_a_damaged_queue_is_set_aside_and_told(tmp_path: Path) -> None:
    (tmp_path / "actions.db").write_bytes(b"SQLite format 3\x00" + os.urandom(8000))
    with WebhookServer() as server, acting(config(tmp_path, server.url)) as it:
        it.commit(passers_by(1))
        wait_until(lambda: server.calls, what="the call")
        assert "was damaged" in "; ".join(it.outputs.status().problems)
        assert (tmp_path / "actions.db.damaged").exists()


def test_a_kill_in_the_middle_loses_nothing_and_repeats_only_under_its_key(tmp_path: Path) -> None:
    with WebhookServer() as server:
        for first in (0, 10, 20):
            command = [sys.executable, "-m", "tests.support.acting", str(tmp_path), server.url, str(first)]
            process = subprocess.Popen(command, cwd=ROOT)
            try:
                wait_until(partial(_has_seen, server, first + 1), what="a call")
            finally:
                process.kill()
                process.wait()
        with acting(config(tmp_path, server.url)) as it:
            wait_until(lambda: _has_seen(server, 30) and it.queue.depth("chat") == 0, what="all calls")
        calls = {(call.json["track"], call.key) for call in server.calls}
        assert len(calls) == 30


def _has_seen(server: WebhookServer, count: int) -> bool:
    return len({*tracks(server)}) >= count
