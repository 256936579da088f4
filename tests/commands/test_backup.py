"""A backup of a running device, and what it takes to put one in place."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.control.audit import kept_lines
from edge.outputs.action_queue import ActionQueue
from edge.store.outbox import Outbox
from edge.store.record import Record
from tests.support.actions import action as an_action
from tests.support.transitions import passers_by


class Device:
    def __init__(self, folder: Path) -> None:
        self.storage = folder / "state"
        self.config = folder / "config.yaml"
        self.password = folder / "password"
        self.password.write_text("s3cret")
        self.password.chmod(0o600)
        login = {"username": "lobby", "password_file": str(self.password)}
        mail = {"host": "localhost", "sender": "a@b.c", "recipients": ["a@b.c"], "username": "a"}
        outputs = {"mail": {"Desk": {**mail, "password_file": str(self.password)}}}
        self.config.write_text(
            json.dumps({"device": "lobby", "mqtt": login, "cameras": {"door": {"source": "demo"}}, "outputs": outputs})[
                :-1
            ]
            + f', "storage": {{"path": "{self.storage}"}}}}'
        )

    def outbox(self) -> Outbox:
        record = Record(self.storage, keep_days=30, keep_bytes=100_000_000)
        outbox = Outbox(self.storage, max_events=1000, max_bytes=10_000_000, record=record)
        outbox.open()
        return outbox


@pytest.fixture
def device(tmp_path: Path) -> Device:
    device = Device(tmp_path)
    device.storage.mkdir()
    return device


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments])


def numbers(outbox: Outbox) -> list[tuple[str, int]]:
    events = [json.loads(one.payload) for one in outbox.pending(1000)]
    return [(event["epoch"], event["seq"]) for event in events]


def test_a_backup_of_a_running_device_comes_back_and_uses_no_number_twice(device: Device, tmp_path: Path) -> None:
    archive = tmp_path / "lobby.tar.gz"
    with closing(device.outbox()) as outbox:
        outbox.append(passers_by(5))
        assert run("backup", archive, "-c", device.config) == 0
        outbox.append(passers_by(5, first=5))
        published = set(numbers(outbox))
        assert run("restore", archive, "-c", device.config) == 1  # it is running
        assert set(numbers(outbox)) == published
    assert archive.stat().st_mode & 0o777 == 0o600
    assert run("restore", archive, "-c", device.config) == 0
    with closing(device.outbox()) as outbox:
        kept = numbers(outbox)
        assert [seq for _, seq in kept] == [1, 2, 3, 4, 5]
        assert set(kept) <= published
        assert outbox.damaged is None
        outbox.append(passers_by(1, first=99))
        (new,) = set(numbers(outbox)) - set(kept)
        assert new[0] not in {epoch for epoch, _ in published}
    assert (device.storage / "before-restore" / "outbox.db").exists()
    assert [each["setting"] for each in kept_lines(device.storage)] == ["restore"]


def test_actions_that_wait_for_an_output_come_back(device: Device, tmp_path: Path) -> None:
    archive = tmp_path / "lobby.tar.gz"
    with closing(device.outbox()):
        queue = ActionQueue(device.storage)
        queue.open()
        queue.add([("Desk", an_action(number)) for number in (1, 2)])
        assert run("backup", archive, "-c", device.config) == 0
        queue.add([("Desk", an_action(3))])
        queue.close()
    assert run("restore", archive, "-c", device.config) == 0
    queue = ActionQueue(device.storage)
    queue.open()
    assert [one.action.track for one in queue.waiting("Desk", 10)] == ["t1", "t2"]
    queue.close()
    assert (device.storage / "before-restore" / "actions.db").exists()


def test_secrets_only_if_asked(device: Device, tmp_path: Path) -> None:
    """A backup holds no broker's password and no private key unless it was asked for."""
    (device.storage / "page.pem").write_text("private")
    assert run("backup", tmp_path / "a.tar.gz", "-c", device.config) == 0
    assert [(each["setting"], each["new"]) for each in kept_lines(device.storage)] == [("backup", "a.tar.gz")]
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        assert not [name for name in archive.getnames() if "secret" in name or name.endswith(".pem")]
    assert run("backup", tmp_path / "b.tar.gz", "-c", device.config, "--with-secrets") == 0
    device.password.unlink()
    assert run("restore", tmp_path / "b.tar.gz", "-c", device.config) == 0
    for name in ("mqtt.password_file", "outputs.mail.Desk.password_file"):
        assert (device.storage / "restored-secrets" / name).read_text() == "s3cret"
    assert not device.password.exists()


def test_an_archive_is_not_overwritten(device: Device, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    assert run("backup", tmp_path / "a", "-c", device.config) == 1
    assert (tmp_path / "a").read_text() == "mine"


def an_archive(
    path: Path, content_of: dict[str, bytes], *, member: tarfile.TarInfo | None = None, **manifest: Any
) -> None:
    known = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content_of.items()}
    content = json.dumps({"schema": "maskd.backup/1", "files": known, **manifest}).encode()
    with tarfile.open(path, "w:gz") as archive:
        for name, data in {"manifest.json": content, **content_of}.items():
            one = tarfile.TarInfo(name)
            one.size = len(data)
            archive.addfile(one, io.BytesIO(data))
        if member is not None:
            archive.addfile(member)


def link(kind: bytes, name: str = "state/seq") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


HUGE = {"state/seq": {"size": 10**12, "sha256": "0" * 64}}


@pytest.mark.parametrize(
    "hostile",
    [
        {"files": {"../evil": b"x"}},
        {"files": {"/etc/evil": b"x"}},
        {"files": {"state/../../evil": b"x"}},
        {"files": {"state/record/2026-01-01.jsonl/../../../evil": b"x"}},
        {"files": {"secrets/../evil": b"x"}},
        {"files": {"state/seq": b"x"}, "member": link(tarfile.SYMTYPE, "state/totals.json")},
        {"files": {}, "member": link(tarfile.LNKTYPE), "manifest": {"files": {"state/seq": {"size": 0, "sha256": ""}}}},
        {"files": {"state/seq": b"x"}, "member": link(tarfile.CHRTYPE, "state/seq")},
        {"files": {"state/seq": b"x"}, "manifest": {"files": HUGE}},
        {"files": {"state/seq": b"x"}, "manifest": {"files": {"state/seq": {"size": 1, "sha256": "0" * 64}}}},
        {"files": {"state/seq": b"x"}, "manifest": {"schema": "other/1"}},
        {"files": {"state/seq": b"x"}, "manifest": {"files": []}},
        {"files": {"state/outbox.db": b"not a database" * 100}},
    ],
)
def test_a_hostile_or_damaged_archive_changes_nothing(
    device: Device, tmp_path: Path, hostile: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A backup that is damaged or hostile (paths, links, sizes) is refused as a whole, and changes nothing."""
    (device.storage / "seq").write_text("before")
    archive = tmp_path / "hostile.tar.gz"
    an_archive(archive, hostile["files"], member=hostile.get("member"), **hostile.get("manifest", {}))
    before = sorted(path for path in tmp_path.rglob("*"))
    assert run("restore", archive, "-c", device.config) == 1
    assert "nothing was changed" in capsys.readouterr().err
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert (device.storage / "seq").read_text() == "before"


def test_a_cut_archive_and_a_folder_of_another_program_are_refused(device: Device, tmp_path: Path) -> None:
    with closing(device.outbox()) as outbox:
        outbox.append(passers_by(20))
    archive = tmp_path / "a.tar.gz"
    assert run("backup", archive, "-c", device.config) == 0
    whole = archive.read_bytes()
    for size in (0, 10, len(whole) // 4, len(whole) // 2):
        archive.write_bytes(whole[:size])
        assert run("restore", archive, "-c", device.config) == 1
    archive.write_bytes(whole)
    for path in sorted(device.storage.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (device.storage / "letters").write_text("of another program")
    assert run("restore", archive, "-c", device.config) == 1
    (device.storage / "letters").unlink()
    assert run("restore", archive, "-c", device.config) == 0
    with closing(sqlite3.connect(device.storage / "outbox.db")) as db:
        assert db.execute("SELECT count(*) FROM events").fetchone() == (20,)
