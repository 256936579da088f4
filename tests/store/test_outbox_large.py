"""An outbox with very many waiting events: opened at once, checked later, and left as soon as the end is asked for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from edge.payloads.events import Event
from edge.payloads.numbering import Counted
from edge.store.outbox import Outbox
from edge.store.outbox_file import connect, counted_meta, create_tables, insert, put_meta, recount, transaction
from edge.store.outbox_recovery import OpeningStoppedError, is_marked_damaged, mark_damaged
from tests.support.transitions import EPOCH, drafts, passers_by, transition
from tests.support.waiting import wait_until

WAITING = 5_000
"""Events; an outbox that is larger than `SMALL` counts as large here."""
SMALL = 500_000


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in ("outbox", "outbox_recovery"):
        monkeypatch.setattr(f"edge.store.{module}.VERIFIED_BYTES", SMALL)
    monkeypatch.setattr("edge.store.outbox_recovery.STEPS", 5_000)
    (draft,) = drafts(transition())
    payload = draft.numbered(EPOCH, 999_999).payload

    def rows() -> Iterator[tuple[object, ...]]:
        for row in range(1, WAITING + 1):
            yield row, draft.topic, payload.replace(b'"seq":999999', b'"seq":%d' % row), draft.wall_time + row

    with closing(connect(tmp_path / "outbox.db")) as db:
        create_tables(db)
        with transaction(db):
            insert(db, "events", rows())
            put_meta(db, counted_meta(Counted(WAITING, WAITING, EPOCH)) | recount(db))
    return tmp_path


def new_outbox(folder: Path) -> Outbox:
    return Outbox(folder, max_events=1_000_000, max_bytes=1_000_000_000)


def damage_a_row(storage: Path) -> None:
    path = storage / "outbox.db"
    data = path.read_bytes()
    place = data.index(b'"compliant":false', len(data) // 2)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b'"compliant":true ')


def test_events_flow_before_all_was_read(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reading(*_: object) -> None:
        raise AssertionError("the whole outbox is read before the start")

    monkeypatch.setattr("edge.store.outbox_recovery.verify", reading)
    monkeypatch.setattr("edge.store.outbox_file.recount", reading)
    with closing(new_outbox(storage)) as outbox:
        outbox.open()
        assert outbox.depth == WAITING
        assert [row.seq for row in outbox.pending(3)] == [1, 2, 3]
        assert outbox.append(passers_by(1))[0].seq == WAITING + 1
        outbox.acknowledge([1, 2])
        assert outbox.delete_acknowledged()
        assert outbox.depth == WAITING - 1


def test_damage_that_is_found_later_is_repaired_by_the_next_start(storage: Path) -> None:
    damage_a_row(storage)
    found: list[BaseException] = []
    with closing(new_outbox(storage)) as outbox:
        outbox.on_damage = found.append
        outbox.open()
        wait_until(lambda: found, "the damage")
        assert f"the outbox {storage}/outbox.db is damaged (a row of the table events has changed)" in str(found[0])
        assert "the next start rebuilds it" in str(found[0])
    with closing(new_outbox(storage)) as outbox:
        outbox.open()
        assert f"events restored from it: {WAITING - 1}" in str(outbox.damaged)
        assert outbox.depth == WAITING - 1
        event = Event.model_validate_json(outbox.append(passers_by(1))[0].to_json())
        assert (event.seq, event.epoch) == (WAITING + 1, EPOCH)
    assert not is_marked_damaged(storage / "outbox.db")


@pytest.mark.parametrize("asked", [1, 5, 20])
def test_a_rebuild_ends_as_soon_as_the_end_is_asked_for_and_begins_again(storage: Path, asked: int) -> None:
    damage_a_row(storage)
    mark_damaged(storage / "outbox.db")
    looks = count(1)
    outbox = new_outbox(storage)
    with pytest.raises(OpeningStoppedError):
        outbox.open(stops=lambda: next(looks) >= asked)
    assert next(looks) <= asked + 20, "it went on for a while"
    with closing(new_outbox(storage)) as outbox:
        outbox.open()
        assert outbox.depth == WAITING - 1


def test_a_check_ends_with_the_outbox(storage: Path) -> None:
    outbox = new_outbox(storage)
    outbox.on_damage = lambda error: pytest.fail(str(error))
    outbox.open()
    outbox.close()
    with closing(sqlite3.connect(storage / "outbox.db")) as db:
        newest = db.execute("SELECT payload FROM events ORDER BY seq DESC LIMIT 1").fetchone()[0]
    assert json.loads(newest)["seq"] == WAITING
