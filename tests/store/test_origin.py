"""A state that is a copy begins a new epoch, and one that merely lived on does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge.store import origin
from edge.store.origin import machine_mark, place_mark
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.store.seq_file import SeqFile
from tests.support.transitions import drafts, passers_by, transition


def new_outbox(folder: Path) -> Outbox:
    record = Record(folder, keep_days=36_500, keep_bytes=100_000_000)
    return Outbox(folder, max_events=100_000, max_bytes=100_000_000, record=record)


def one_start(folder: Path, events: int = 3) -> tuple[str, list[int], str | None]:
    """The epoch, the numbers given, and what the start tells of the numbering."""
    with closing(new_outbox(folder)) as outbox:
        outbox.open()
        return outbox.counted.epoch, [event.seq for event in outbox.append(passers_by(events))], outbox.renumbered


def restore_anew(backup: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)


def restore_over(backup: Path, folder: Path) -> None:
    subprocess.run(["cp", "-a", f"{backup}/.", str(folder)], check=True)


def restore_over_plainly(backup: Path, folder: Path) -> None:
    subprocess.run(["cp", "-r", f"{backup}/.", str(folder)], check=True)


def age(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes it one of an hour ago."""
    real = time.clock_gettime_ns
    with monkeypatch.context() as patch, closing(SeqFile(backup / "seq")) as seq:
        seq.open()
        patch.setattr(time, "clock_gettime_ns", lambda clock: real(clock) - 3_600_000_000_000)
        seq.write(seq.read(), durable=False)
    for path in backup.rglob("*"):
        os.utime(path, (time.time() - 3600,) * 2)


@pytest.mark.parametrize("restore", [restore_anew, restore_over, restore_over_plainly])
def test_a_restored_backup_begins_a_new_epoch_and_says_so(
    tmp_path: Path, restore: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, backup = tmp_path / "storage", tmp_path / "backup"
    first, numbers, told = one_start(folder)
    assert (numbers, told) == ([1, 2, 3], None)
    shutil.copytree(folder, backup)
    age(backup, monkeypatch)
    assert one_start(folder) == (first, [4, 5, 6], None)
    restore(backup, folder)
    with closing(new_outbox(folder)) as outbox:
        outbox.open()
        assert outbox.counted.epoch != first
        assert outbox.renumbered is not None
        assert outbox.renumbered.startswith(f"the state in {folder} is a copy, such as a restored backup")
        assert outbox.counted.epoch in outbox.problems[0]
        second = outbox.counted.epoch
        assert [event.seq for event in outbox.append(passers_by(2))] == [1, 2]
        # What waited in the copy keeps the number and the epoch that it may have been sent under.
        waiting = [row.payload for row in outbox.pending(9)]
        assert [(first if first.encode() in payload else second) for payload in waiting] == [first] * 3 + [second] * 2
    assert one_start(folder) == (second, [3, 4, 5], None)


def test_a_touch_of_the_seq_file_says_that_the_state_is_a_copy(tmp_path: Path) -> None:
    """For an image of the whole card, which nothing else tells from the card that it was made of."""
    first, _, _ = one_start(tmp_path)
    later = time.time() + 600
    os.utime(tmp_path / "seq", (later, later))
    second, numbers, told = one_start(tmp_path)
    assert second != first
    assert numbers == [1, 2, 3]
    assert "is a copy" in str(told)


def test_what_was_open_in_a_copy_is_ended_in_the_new_epoch(tmp_path: Path) -> None:
    with closing(new_outbox(tmp_path / "storage")) as outbox:
        outbox.open()
        outbox.append(drafts(transition(track="t1")))
        shutil.copytree(tmp_path / "storage", tmp_path / "clone")
    with closing(new_outbox(tmp_path / "clone")) as clone:
        clone.open()
        (ended,) = clone.recover(1.8e9)
        assert (ended.seq, ended.epoch, ended.durable) == (1, clone.counted.epoch, True)


def test_a_state_on_another_machine_begins_a_new_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _, _ = one_start(tmp_path)
    monkeypatch.setattr(origin, "machine_mark", lambda _folder: 7)
    second, numbers, told = one_start(tmp_path)
    assert second != first
    assert numbers == [1, 2, 3]
    assert f"the state in {tmp_path} comes from another machine or memory card" in str(told)
    assert one_start(tmp_path) == (second, [4, 5, 6], None)


def test_an_epoch_outlives_what_befalls_an_honest_state(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    first, _, _ = one_start(folder)
    (folder / "outbox.db").unlink()
    assert one_start(folder) == (first, [4, 5, 6], None)
    (folder / "seq").unlink()
    assert one_start(folder) == (first, [7, 8, 9], None)
    (folder / "outbox.db").write_bytes(b"no database")
    assert one_start(folder) == (first, [10, 11, 12], None)
    (folder / "outbox.db").unlink()
    shutil.rmtree(folder / "record")
    assert one_start(folder) == (first, [13, 14, 15], None)
    folder = folder.rename(tmp_path / "moved")
    assert one_start(folder) == (first, [16, 17, 18], None)
    for path in folder.rglob("*"):
        path.unlink() if path.is_file() else None
    second, numbers, told = one_start(folder)
    assert second != first
    assert (numbers, told) == ([1, 2, 3], None)


def test_a_machine_is_told_by_its_id_its_board_and_its_card(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    disk = tmp_path / "sys/devices/mmc/block/mmcblk0"
    (disk / "mmcblk0p2").mkdir(parents=True)
    link = tmp_path / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(disk / "mmcblk0p2")
    marks = {machine_mark(tmp_path, tmp_path)}
    for name in ("etc/machine-id", "proc/device-tree/serial-number", "sys/devices/mmc/block/mmcblk0/device/cid"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("0123\0\n")
        marks.add(machine_mark(tmp_path, tmp_path))
    assert len(marks) == 4
    assert machine_mark(tmp_path, tmp_path) in marks


def test_a_file_and_its_copy_are_two(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_text("x")
    mark = place_mark(one)
    shutil.copy2(one, tmp_path / "two")
    assert place_mark(tmp_path / "two") != mark
    one.write_text("y")
    assert place_mark(one.rename(tmp_path / "three")) == mark


def test_a_seq_file_of_nonsense_is_zeros(tmp_path: Path) -> None:
    with closing(SeqFile(tmp_path / "seq")) as seq:
        seq.open()
        seq.write(replace(seq.read(), given=2**62, committed=3), durable=False)
        assert seq.read().committed == 0
        seq.write(replace(seq.read(), given=4, committed=3, epoch="0123456789ab", lost=2), durable=False)
        numbers = seq.read()
        assert (numbers.given, numbers.committed, numbers.epoch, numbers.lost) == (4, 3, "0123456789ab", 2)
        assert not seq.was_put_back(numbers)
