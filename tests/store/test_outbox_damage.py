"""A damaged outbox: whatever happens to its files, what nobody acknowledged is pending again."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from edge.errors import MaskdError
from edge.store.outbox import Outbox
from edge.store.outbox_salvage import KEPT_ASIDE, aside
from edge.store.record import Record
from edge.store.seq_file import SeqFile
from tests.support.disks import quick_folder
from tests.support.transitions import WALL_OFFSET, drafts, passers_by, transition

NOW = WALL_OFFSET + 500


def new_outbox(folder: Path, *, keep_days: float = 36_500) -> Outbox:
    record = Record(folder, keep_days=keep_days, keep_bytes=100_000_000)
    return Outbox(folder, max_events=100_000, max_bytes=100_000_000, record=record)


@contextmanager
def opened(folder: Path, *, keep_days: float = 36_500) -> Iterator[Outbox]:
    outbox = new_outbox(folder, keep_days=keep_days)
    outbox.open()
    with closing(outbox):
        yield outbox


@dataclass
class Life:
    """What an outbox was told, and so what it must still know."""

    published: dict[int, bytes] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    open_tracks: set[str] = field(default_factory=set)

    @property
    def unacknowledged(self) -> list[int]:
        return sorted(self.published.keys() - self.acknowledged)


def live(outbox: Outbox, dice: random.Random, rounds: int) -> Life:
    """Visits that begin and end, and a broker that acknowledges some of their events, in and out of order."""
    life = Life()
    for number in range(rounds):
        batch = [transition(track=f"t{number}-{index}") for index in range(dice.randint(1, 3))]
        batch += [transition("ended", track=track) for track in sorted(life.open_tracks) if dice.random() < 0.4]
        for made in outbox.append(drafts(*batch)):
            life.published[made.seq] = made.to_json()
            (life.open_tracks.discard if made.type == "ended" else life.open_tracks.add)(made.track)
        if dice.random() < 0.5:
            waiting = [row.seq for row in outbox.pending(20)]
            taken = waiting[: dice.randint(0, len(waiting))] if dice.random() < 0.8 else waiting[1::2]
            life.acknowledged.update(taken)
            outbox.acknowledge(taken)
            outbox.delete_acknowledged()
    return life


@dataclass(frozen=True)
class Damage:
    """To one file, at a place given as a fraction of its size."""

    name: str
    at: float
    written: bytes | None
    """None: the file ends there."""

    def happen(self, folder: Path) -> None:
        path = folder / self.name
        size = path.stat().st_size if path.exists() else 0
        if not size:
            return
        place = min(size - 1, int(self.at * size))
        if self.written is None:
            os.truncate(path, place)
        else:
            with path.open("r+b") as file:
                file.seek(place)
                file.write(self.written[: size - place])


damages = st.lists(
    st.builds(
        Damage,
        st.sampled_from(["outbox.db", "outbox.db-wal", "seq"]),
        st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 0.015625)),
        st.one_of(st.none(), st.binary(min_size=1, max_size=40), st.integers(0, 255).map(lambda b: bytes([b]) * 4096)),
    ),
    min_size=1,
    max_size=2,
)


def test_no_damage_loses_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.store.origin.place_mark", lambda _path: 0)  # the folders here are all copies
    monkeypatch.setattr(SeqFile, "was_put_back", lambda *_: False)
    templates = list(lives(tmp_path))

    @given(chosen=st.integers(0, len(templates) - 1), damages=damages)
    @settings(max_examples=200, deadline=None)
    def check(chosen: int, damages: list[Damage]) -> None:
        template, life = templates[chosen]
        with quick_folder() as parent:
            folder = parent / "storage"
            shutil.copytree(template, folder)
            for damage in damages:
                damage.happen(folder)
            assert_nothing_is_lost(life, folder)

    check()


def lives(folder: Path) -> Iterator[tuple[Path, Life]]:
    """Folders of outboxes with what they were told: closed in order, and as a kill leaves them, with a full log."""
    for seed in range(8):
        closed, crashed = folder / f"{seed}-closed", folder / f"{seed}-crashed"
        with opened(closed) as outbox:
            life = live(outbox, random.Random(seed), rounds=25)
            shutil.copytree(closed, crashed)
        assert (crashed / "outbox.db-wal").stat().st_size > 10_000
        assert len(life.unacknowledged) > 5
        yield closed, life
        yield crashed, life


def assert_nothing_is_lost(life: Life, folder: Path) -> None:
    with opened(folder) as outbox:
        event("damaged" if outbox.damaged else "whole")
        pending = outbox.pending(10_000)
        seqs = [row.seq for row in pending]
        assert seqs == sorted(set(seqs))
        assert set(life.unacknowledged) <= set(seqs)
        assert [(row.topic, row.payload) for row in pending] == [
            ("maskd/lobby/door/event", life.published[seq]) for seq in seqs
        ]
        ended = outbox.recover(NOW)
        assert {last.track for last in ended} == life.open_tracks
        following = [made.seq for made in [*ended, *outbox.append(passers_by(1))]]
        assert following == [max(life.published) + 1 + index for index in range(len(following))]
        depth = outbox.depth
    with opened(folder) as outbox:
        assert outbox.damaged is None
        assert outbox.depth == depth


def test_what_nobody_acknowledged_comes_back_from_the_record(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append(passers_by(6))
        payloads = {row.seq: row.payload for row in outbox.pending(9)}
        outbox.acknowledge([1, 2, 4])
    (tmp_path / "outbox.db").write_bytes(b"")
    with opened(tmp_path) as outbox:
        # The 4 had gone before the 3: it is sent again, as it was.
        assert {row.seq: row.payload for row in outbox.pending(9)} == {seq: payloads[seq] for seq in (3, 4, 5, 6)}
        assert outbox.damaged == (
            "the outbox had been emptied or removed; events restored from the record: 4; numbering continues"
        )
    with opened(tmp_path) as outbox:
        assert outbox.damaged is None


def test_without_a_record_numbering_goes_on_and_the_damage_is_told(tmp_path: Path) -> None:
    with opened(tmp_path, keep_days=0) as outbox:
        outbox.append(passers_by(6))
    assert not (tmp_path / "record").exists()
    (tmp_path / "outbox.db").unlink()
    with opened(tmp_path, keep_days=0) as outbox:
        assert "restored from the record: 0" in str(outbox.damaged)
        assert [made.seq for made in outbox.append(passers_by(1))] == [7]


def test_a_commit_that_was_cut_short_is_no_damage_and_leaves_no_gap(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append(passers_by(3))
    with closing(SeqFile(tmp_path / "seq")) as seq:
        seq.open()
        seq.write(replace(seq.read(), given=9, given_seq=9, committed=3, committed_seq=3), durable=True)
    with opened(tmp_path) as outbox:
        assert outbox.damaged is None
        assert [made.seq for made in outbox.append(passers_by(1))] == [4]


@pytest.mark.parametrize(("boot", "following"), [(None, 4), ("0" * 36, 10)])
def test_a_number_that_may_have_been_given_before_a_power_cut_is_not_given_again(
    tmp_path: Path, boot: str | None, following: int
) -> None:
    with opened(tmp_path) as outbox:
        outbox.append(passers_by(3))
    with closing(SeqFile(tmp_path / "seq")) as seq:
        seq.open()
        numbers = replace(seq.read(), given=9, given_seq=9, committed=3, committed_seq=3)
        seq.boot = boot or seq.boot
        seq.write(numbers, durable=True)
    (tmp_path / "outbox.db").write_bytes(b"no database")
    with opened(tmp_path) as outbox:
        assert [made.seq for made in outbox.append(passers_by(1))] == [following]


def test_a_changed_payload_is_noticed_though_the_pages_are_whole(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append(passers_by(3))
        payloads = [row.payload for row in outbox.pending(9)]
    path = tmp_path / "outbox.db"
    path.write_bytes(path.read_bytes().replace(b'"compliant":false', b'"compliant":true ', 1))
    with opened(tmp_path) as outbox:
        assert [row.payload for row in outbox.pending(9)] == payloads
        assert "events restored from it: 2, from the record: 1" in str(outbox.damaged)


@pytest.mark.parametrize("obstacle", ["folder", "full folder", "may not be read", "log is a folder"])
def test_what_stands_in_the_place_of_the_database_goes_aside(tmp_path: Path, obstacle: str) -> None:
    path = tmp_path / "outbox.db"
    with opened(tmp_path) as outbox:
        outbox.append(passers_by(3))
    if obstacle == "may not be read":
        if os.geteuid() == 0:
            pytest.skip("root may read everything")
        path.chmod(0)
    elif obstacle == "log is a folder":
        (tmp_path / "outbox.db-wal").mkdir()
    else:
        path.unlink()
        path.mkdir()
        if obstacle == "full folder":
            (path / "letter").write_text("of use to somebody")
    with opened(tmp_path) as outbox:
        assert [row.seq for row in outbox.pending(9)] == [1, 2, 3]
        assert "was damaged and is kept as outbox.db.damaged-" in str(outbox.damaged)


def test_the_latest_damaged_files_are_kept_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    for number in range(KEPT_ASIDE + 3):
        path.write_bytes(b"no database %d" % number)
        with opened(tmp_path):
            pass
    assert [kept.read_bytes() for kept in aside(path)] == [b"no database %d" % (3 + n) for n in range(KEPT_ASIDE)]
    assert len(list(tmp_path.glob("outbox.db.damaged-*"))) == KEPT_ASIDE


def test_a_replacement_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with opened(tmp_path, keep_days=0) as outbox:
        outbox.append(passers_by(3))
    path.rename(tmp_path / "outbox.db.new")  # the damaged file has gone aside, its log not yet
    (tmp_path / "outbox.db-wal").write_bytes(b"of the damaged file")
    with opened(tmp_path, keep_days=0) as outbox:
        assert [row.seq for row in outbox.pending(9)] == [1, 2, 3]


def test_somebody_elses_lock_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as outbox:
        outbox.append(passers_by(3))
    monkeypatch.setattr("edge.store.outbox_file.BUSY_S", 0.1)
    with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MaskdError, match="database is locked"), opened(tmp_path):
            pass
    with opened(tmp_path) as outbox:
        assert outbox.damaged is None
        assert [row.seq for row in outbox.pending(9)] == [1, 2, 3]
