"""`maskd events`, on records that a real outbox has written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.cli import main
from edge.commands.event_table import duration_text
from edge.commands.since import parse_since
from edge.errors import UsageError
from edge.payloads.events import Draft, draft_events
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.store.record_line import read_line, write_line
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end
from tests.support.transitions import MODELS, TOPICS, transition
from tests.support.waiting import wait_until

AT = transition().at


@pytest.fixture(autouse=True)
def _time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Eleven hours east of London in summer, ten in winter; so that days begin elsewhere than in the record."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Australia/Sydney")
        time.tzset()
        yield
    time.tzset()


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def draft(when: float, **changes: object) -> list[Draft]:
    return draft_events([transition(**changes)], TOPICS, MODELS, wall_offset=when - AT)  # type: ignore[arg-type]


@contextmanager
def recording(folder: Path) -> Iterator[Outbox]:
    record = Record(folder, keep_days=36_500, keep_bytes=100_000_000)
    outbox = Outbox(folder, max_events=100_000, max_bytes=100_000_000, record=record)
    outbox.open()
    with closing(outbox):
        yield outbox


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two days of a visit at the door, one at the gate, and one that nobody could judge."""
    path = tmp_path / "config.yaml"
    path.write_text(
        f"storage: {{path: {tmp_path}/storage}}\nmqtt: {{username: lobby, password_file: {tmp_path}/not-for-me}}\n"
    )
    with recording(tmp_path / "storage") as outbox:
        outbox.append(draft(moment("2026-11-19T12:59:58"), track="aaaaaa111111"))
        outbox.append(
            draft(
                moment("2026-11-19T13:00:03"),
                kind="changed",
                track="aaaaaa111111",
                status="with_mask",
                previous="without_mask",
            )
        )
        outbox.append(
            draft(moment("2026-11-19T15:00:00"), kind="ended", track="aaaaaa111111", status="with_mask", started_at=0)
        )
        outbox.append(draft(moment("2026-11-20T02:30:00"), track="bbbbbb222222", camera="gate"))
        outbox.append(draft(moment("2026-11-20T02:30:01"), track="cccccc333333", status="unknown"))
        outbox.acknowledge([1, 2, 3, 4])
    return path


def test_a_person_reads_a_table(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "-c", str(config)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "time      camera    event     person   sure    after  status",
        "Thursday 2026-11-19",
        "23:59:58  door      started   111111    97%    3.2 s  ✗ without_mask",
        "Friday 2026-11-20",
        "00:00:03  door      changed   111111    97%    3.2 s  ✓ without_mask → with_mask",
        "02:00:00  door      ended     111111    97%  103.2 s  ✓ with_mask",
        "13:30:00  gate      started   222222    97%    3.2 s  ✗ without_mask",
        "13:30:01  door      started   333333    97%    3.2 s  ? unknown",
    ]


def test_a_program_reads_the_recorded_lines(config: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["events", "-c", str(config), "--json", "--since", "2026-11-01"]) == 0
    days = sorted((config.parent / "storage" / "record").iterdir())
    assert [day.name for day in days] == ["2026-11-19.jsonl", "2026-11-20.jsonl"]
    lines = [read_line(line) for day in days for line in day.read_bytes().splitlines()]
    assert capfdbinary.readouterr().out.splitlines() == [line and line.payload for line in lines]


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        ([], [1, 2, 3, 4, 5]),
        (["-n", "2"], [4, 5]),
        (["--camera", "gate"], [4]),
        (["--camera", "door", "-n", "2"], [3, 5]),
        (["--since", "2026-11-20"], [2, 3, 4, 5]),
        (["--since", "2026-11-20Z"], [4, 5]),
        (["--since", "2026-11-20T13:30:01"], [5]),
        (["--since", "2026-11-20T02:30:01Z"], [5]),
        (["--since", "2026-11-20T00:00+00:00", "-n", "1"], [5]),
        (["--since", "2026-11-19", "--camera", "door", "-n", "2"], [3, 5]),
        (["--since", "2100-01-01"], []),
        (["--camera", "attic"], []),
    ],
)
def test_what_is_chosen(config: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], seqs: list[int]) -> None:
    assert main(["events", "-c", str(config), "--json", *arguments]) == 0
    printed = capfd.readouterr()
    assert [json.loads(line)["seq"] for line in printed.out.splitlines()] == seqs
    assert ("is recorded" in printed.err) == (seqs == [])


def test_the_last_fifty_are_found_though_lines_are_torn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with recording(tmp_path) as outbox:
        for number in range(300):
            outbox.append(draft(moment("2026-11-19T12:00:00") + number, track=f"t{number}"))
    path = next((tmp_path / "record").iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    (tmp_path / "config.yaml").write_text(f"storage: {{path: {tmp_path}}}")
    assert main(["events", "-c", str(tmp_path / "config.yaml"), "--json"]) == 0
    printed = capfd.readouterr()
    assert [json.loads(line)["seq"] for line in printed.out.splitlines()] == list(range(250, 300))
    assert printed.err == f"lines of {path} that are damaged and left out: 1\n"


NOW = datetime(2026, 11, 20, 4, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("1.5d", NOW - timedelta(hours=36)),
        ("2026-11-20", datetime(2026, 11, 19, 13, 0, tzinfo=timezone.utc)),
        ("2026-07-01", datetime(2026, 6, 30, 14, 0, tzinfo=timezone.utc)),
        ("2026-11-20T09:15", datetime(2026, 11, 19, 22, 15, tzinfo=timezone.utc)),
        ("2026-11-20T09:15:30Z", datetime(2026, 11, 20, 9, 15, 30, tzinfo=timezone.utc)),
        ("14:30", datetime(2026, 11, 20, 3, 30, tzinfo=timezone.utc)),
        ("9:30", datetime(2026, 11, 19, 22, 30, tzinfo=timezone.utc)),
        ("23:00:05", datetime(2026, 11, 19, 12, 0, 5, tzinfo=timezone.utc)),
        ("03:59Z", datetime(2026, 11, 20, 3, 59, tzinfo=timezone.utc)),
    ],
)
def test_moments_are_written_as_people_write_them(text: str, meant: datetime) -> None:
    assert parse_since(text, NOW) == meant


@pytest.mark.parametrize(
    "text", ["", "yesterday", "5", "h", "-2h", "25:00", "9:5:1:2", "2026-13-01", "0001-01-01", "9" * 30 + "d", "Z"]
)
def test_another_moment_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a time; write 30m, 2h, 7d, 15:00"):
        parse_since(text, NOW)


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("path: {tmp}/gone", "there is no folder {tmp}/gone; give the daemon's configuration with -c"),
        ("path: {tmp}", "there is no record in {tmp}/record yet: maskd creates it with its first event"),
        ("path: {tmp}, keep_days: 0", "nothing is recorded, because storage.keep_days is 0; set it"),
        ("path: {tmp}/file", "the record in {tmp}/file/record cannot be read: Not a directory"),
        ("paths: here", "config.yaml:1"),
    ],
)
def test_without_a_record_the_reason_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], storage: str, message: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "config.yaml").write_text(f"storage: {{{storage.format(tmp=tmp_path)}}}")
    assert main(["events", "-c", str(tmp_path / "config.yaml")]) in (1, 2)
    assert message.format(tmp=tmp_path) in capsys.readouterr().err


def test_a_user_who_may_not_read_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        storage, config = Path(name) / "storage", Path(name) / "config.yaml"
        Path(name).chmod(0o755)
        (storage / "record").mkdir(parents=True)
        config.write_text(f"storage: {{path: {storage}}}")
        (storage / "record").chmod(0)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)
        try:
            assert main(["events", "-c", str(config)]) == 1
        finally:
            os.seteuid(was)
            (storage / "record").chmod(0o755)
    assert "this user may not read the record in" in capsys.readouterr().err


@contextmanager
def following(config: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "edge.cli", "events", "--follow", "-c", str(config), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with killed_at_the_end(process):
        yield process


def read_seqs(process: subprocess.Popen[str], count: int) -> Sequence[int]:
    assert process.stdout is not None
    return [json.loads(process.stdout.readline())["seq"] for _ in range(count)]


def test_following_goes_on_over_midnight_until_ctrl_c(config: Path) -> None:
    with following(config, "--json", "-n", "1") as process:
        assert read_seqs(process, 1) == [5]
        with recording(config.parent / "storage") as outbox:
            outbox.append(draft(moment("2026-11-20T23:59:59"), track="late"))
            assert read_seqs(process, 1) == [6]
            outbox.append(draft(moment("2026-11-21T00:00:01"), track="early"))
            outbox.append(draft(moment("2026-11-20T23:59:59"), track="stepped-back"))
            assert read_seqs(process, 2) == [7, 8]
        with recording(config.parent / "storage") as outbox:
            outbox.append(draft(moment("2026-11-21T00:00:02"), track="restarted"))
            assert read_seqs(process, 1) == [9]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_following_shows_a_line_once_though_its_file_is_replaced(config: Path) -> None:
    with following(config, "--json", "--since", "2026-11-01", "--camera", "door") as process:
        assert read_seqs(process, 4) == [1, 2, 3, 5]
        day = config.parent / "storage" / "record" / "2026-11-20.jsonl"
        copy = day.with_suffix(".new")
        copy.write_bytes(day.read_bytes())
        copy.replace(day)
        with recording(config.parent / "storage") as outbox:
            outbox.append(draft(moment("2026-11-20T03:00:00")))
            assert read_seqs(process, 1) == [6]


def test_following_ends_when_its_reader_is_gone(config: Path) -> None:
    with following(config) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("time")
        process.stdout.close()
        wait_until(lambda: process.poll() is not None, what="the end")
        assert process.returncode == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_half_written_line_is_shown_once_it_is_whole(config: Path) -> None:
    storage = config.parent / "storage"
    with recording(storage) as outbox, following(config, "--json", "-n", "1") as process:
        assert read_seqs(process, 1) == [5]
        outbox.append(draft(moment("2026-11-20T03:00:00")))
        assert read_seqs(process, 1) == [6]
        last = read_line((storage / "record" / "2026-11-20.jsonl").read_bytes().splitlines()[-1])
        assert last is not None
        line = write_line(7, last.payload.replace(b'"seq":6', b'"seq":7'))
        with (storage / "record" / "2026-11-20.jsonl").open("ab", buffering=0) as file:
            file.write(line[:100])
            time.sleep(0.6)  # two looks of the follower
            file.write(line[100:] + b"\n")
        assert read_seqs(process, 1) == [7]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (999.94, "999.9 s"),
        (999.96, "16m 40s"),
        (5999, "99m 59s"),
        (6000, "1h 40m"),
        (90_000, "25h 00m"),
    ],
)
def test_durations_stay_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
