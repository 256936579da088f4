"""Whatever a line of the record holds: it is left out, counted and named, and nothing in it is believed."""

from __future__ import annotations

import json
import logging
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from edge.cli import main
from edge.store.outbox import Outbox
from edge.store.record import TAIL_BYTES, Record
from edge.store.record_line import RecordedLine, read_line, write_line
from edge.store.record_reader import day_files
from tests.support.transitions import passers_by


def new_outbox(folder: Path) -> Outbox:
    record = Record(folder, keep_days=36_500, keep_bytes=1_000_000_000)
    return Outbox(folder, max_events=100_000, max_bytes=100_000_000, record=record)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Of a maskd that has recorded three events."""
    with closing(new_outbox(tmp_path / "storage")) as outbox:
        outbox.open()
        outbox.append(passers_by(3))
    return tmp_path / "storage"


def the_day(storage: Path) -> Path:
    (path,) = day_files(storage / "record")
    return path


def checked(payload: bytes, row: str = "1") -> bytes:
    """A line whose checksum is right, whatever else it holds."""
    crc = zlib.crc32(payload, zlib.crc32(f"{row} ".encode()))
    return b'%s,"row":%s,"crc":"%08x"}' % (payload[:-1], row.encode(), crc)


def lines_of_nonsense(event: bytes) -> list[bytes]:
    values: list[object] = [1_000_000, 2**63, 2**70, -1, 1.5, "x", None, [], {}, [[[[1]]]], True]
    changed = [
        {field: value}
        for field in ("seq", "epoch", "time", "confidence", "box", "votes", "track", "models", "durable", "id")
        for value in values
    ]
    nonsense = [json.dumps({**json.loads(event), **change}).encode() for change in changed]
    nonsense += [event.replace(b'"seq":3', b'"seq":' + text) for text in (b"9" * 5000, b"1e400", b"NaN", b"-Infinity")]
    nonsense += [b"{}", b"null", b"[]", b'"', b"\xff\xfe", b"\0" * 100, b"[" * 100_000, b'{"a":' * 50_000, b""]
    nonsense += [event.replace(b'"door"', b'"\\ud800"'), event.replace(b"2026", b"0000"), event[:-40]]
    return nonsense


def test_a_line_holds_the_event_and_its_row() -> None:
    payload = b'{"seq":7,"models":{"a":"b"}}'
    line = write_line(12, payload)
    assert line.endswith(b"\n")
    assert json.loads(line)["row"] == 12
    assert read_line(line[:-1]) == RecordedLine(12, payload)
    for damaged in (line, line[1:-1], line[:-2], line[:-1].replace(b"7", b"8"), line[:-1].replace(b"12", b"13"), b""):
        assert read_line(damaged) is None


def test_no_bad_line_makes_a_gap_or_ends_a_start(storage: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = the_day(storage)
    last = read_line(path.read_bytes().splitlines()[-1])
    assert last is not None
    nonsense = lines_of_nonsense(last.payload)
    rows = ["1", "4", "1000000", str(2**62), str(2**63), "9" * 40, "-1", "x"]
    with path.open("ab") as file:
        for line in nonsense:
            file.write(line + b"\n")
        for row in rows:
            file.write(checked(b'{"seq":1000000}', row) + b"\n")
        file.write(b"".join(checked(line) + b"\n" for line in nonsense if line.endswith(b"}")))
    (storage / "outbox.db").unlink()
    with closing(new_outbox(storage)) as outbox:
        outbox.open()
        assert [json.loads(row.payload)["seq"] for row in outbox.pending(9)] == [1, 2, 3]
        assert [event.seq for event in outbox.append(passers_by(1, first=3))] == [4]
        epoch = outbox.counted.epoch
    assert f"lines of the record's file {path} that are damaged: " in caplog.text
    with closing(new_outbox(storage)) as outbox:
        outbox.open()
        assert outbox.damaged is None
        assert (outbox.counted.seq, outbox.counted.epoch) == (4, epoch)


def test_bad_lines_are_counted_and_named_and_the_rest_is_shown(
    storage: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = the_day(storage)
    last = read_line(path.read_bytes().splitlines()[-1])
    assert last is not None
    nonsense = [*lines_of_nonsense(last.payload), b"bare", last.payload.replace(b'"seq":3', b'"seq":1000000')]
    path.write_bytes(b"".join(line + b"\n" for line in nonsense) + path.read_bytes())
    config = storage.parent / "config.yaml"
    config.write_text(f"storage: {{path: {storage}}}")
    assert main(["events", "-c", str(config), "--json"]) == 0
    printed = capfd.readouterr()
    assert [json.loads(line)["seq"] for line in printed.out.splitlines()] == [1, 2, 3]
    assert printed.err == f"lines of {path} that are damaged and left out: {len(nonsense)}\n"


@pytest.mark.parametrize("piece", [b"{}\n", b'"}\n', b"x" * 999 + b"\n", b"\n", b"x"])
def test_much_nonsense_does_not_delay_a_start(storage: Path, piece: bytes) -> None:
    path = the_day(storage)
    with path.open("ab") as file:
        file.write(piece * (51_000_000 // len(piece)))
    looked_at = 0
    real = read_line

    def counting(line: bytes) -> RecordedLine | None:
        nonlocal looked_at
        looked_at += len(line) + 1
        return real(line)

    with pytest.MonkeyPatch.context() as patch, closing(new_outbox(storage)) as outbox:
        patch.setattr("edge.store.record.read_line", counting)
        outbox.open()
        assert outbox.append(passers_by(1, first=3))[0].seq == 4
        assert looked_at <= 4 * TAIL_BYTES


def test_a_day_of_nothing_but_nonsense_is_left_out(storage: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    (storage / "record" / "2026-01-01.jsonl").write_bytes(b'{"seq": 9223372036854775808}\n' * 1000)
    (storage / "outbox.db").unlink()
    (storage / "seq").unlink()
    with closing(new_outbox(storage)) as outbox:
        outbox.open()
        assert [event.seq for event in outbox.append(passers_by(1, first=3))] == [4]
    assert "2026-01-01.jsonl that are damaged: 1000" in caplog.text
