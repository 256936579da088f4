"""`maskd check` on a real broker, real files and models, and on what is wrong with them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml

import edge.check
from edge.check import Row, as_table, check, clock_row, run_check, untested
from edge.messaging.outbox import Outbox
from tests.mosquitto import Mosquitto, free_port
from tests.pictures import numbered, red_left_blue_right, wait_until, write_photo, write_video

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "visit.avi", [numbered(3)] * 5)


def write_config(folder: Path, **settings: object) -> Path:
    """A configuration that asks nothing of this machine, but for `settings`."""
    quiet = {"cameras": {"off": {"source": "auto", "enabled": False}}, "mqtt": {"enabled": False}}
    storage = {"storage": {"path": str(folder / "storage")}}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"device": "lobby", **quiet, **storage, **settings}, sort_keys=False))
    return path


def row(path: Path, what: str) -> Row:
    return next(row for row in check(path) if row.what == what)


def run_code(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import sys\nfrom pathlib import Path\n{code}", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=CHECKOUT,
    )


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and never says a word; they end with the context, and so do the reads that wait for them."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            try:
                while True:
                    connections.append(server.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/video.mjpg"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


# --- all is well ---


def test_what_works_is_ok_and_nothing_is_changed(mosquitto: Mosquitto, tmp_path: Path, video: Path) -> None:
    photo = write_photo(tmp_path / "face.png", red_left_blue_right(80, 60))
    config = write_config(
        tmp_path,
        cameras={"door": {"source": str(video)}, "desk": {"source": str(photo), "rotate": 90}},
        mqtt={"port": mosquitto.port, "host": "127.0.0.1"},
    )
    before = sorted(path for path in tmp_path.rglob("*") if "mosquitto" not in path.parts)
    result = subprocess.run(
        [sys.executable, "-m", "edge.cli", "check", "-c", str(config), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=CHECKOUT,
    )
    assert (result.returncode, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert answer["ok"] is True
    rows = {entry["what"]: entry for entry in answer["checks"]}
    assert list(rows) == [
        *("configuration", "software", "runtime", "detector", "classifier", "camera door", "camera desk"),
        *("broker", "storage", "clock", "temperature"),
    ]
    assert {entry["result"] for what, entry in rows.items() if what != "temperature"} == {"ok"}
    assert rows["configuration"]["detail"] == str(config)
    assert "64 x 48 pixels" in rows["camera door"]["detail"]
    assert "60 x 80 pixels" in rows["camera desk"]["detail"]
    assert f"127.0.0.1:{mosquitto.port} lets maskd in, with MQTT 5" in rows["broker"]["detail"]
    assert "not there yet" in rows["storage"]["detail"]
    assert sorted(path for path in tmp_path.rglob("*") if "mosquitto" not in path.parts) == before


def test_the_configuration_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert check(None)[0] == Row("ok", "configuration", "config.yaml")


def test_a_running_maskd_is_said_and_is_no_failure(tmp_path: Path, video: Path) -> None:
    cameras = {"usb": {"source": "/dev/video63"}, "door": {"source": str(video)}, "gone": {"source": "gone.mp4"}}
    config = write_config(tmp_path, cameras=cameras)
    assert row(config, "camera usb").result == "FAIL"
    outbox = Outbox(tmp_path / "storage", max_events=10, max_bytes=10**6)
    outbox.open()
    try:
        rows = {row.what: row for row in check(config)}
    finally:
        outbox.close()
    assert rows["storage"].result == "ok"
    assert "in use by a maskd that is running" in rows["storage"].detail
    assert rows["camera usb"].result == "warn"
    assert "the maskd that is running has it" in (rows["camera usb"].problem or "")
    assert (rows["camera door"].result, rows["camera gone"].result) == ("ok", "FAIL")
    assert "writable by" in row(config, "storage").detail


def test_what_is_switched_off_is_skipped(tmp_path: Path, video: Path) -> None:
    rows = {
        row.what: row
        for row in check(
            write_config(
                tmp_path,
                cameras={
                    "door": {"source": str(video)},
                    "off": {"source": "auto", "enabled": False},
                    "clip": {"source": "demo"},
                },
            )
        )
    }
    assert rows["broker"].result == rows["camera off"].result == rows["camera clip"].result == "skipped"


# --- what is wrong ---


def test_an_absent_broker_fails_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    config = write_config(tmp_path, mqtt={"host": "127.0.0.1", "port": port})
    assert run_check(config) == 1
    lines = capsys.readouterr().out.splitlines()
    index = next(number for number, line in enumerate(lines) if line.startswith("FAIL") and " broker " in line)
    assert f"127.0.0.1:{port}" in lines[index]
    assert "correct mqtt.host and mqtt.port" in lines[index + 1]
    assert lines[index + 1].startswith(" ")


def test_a_broker_that_refuses_the_login_fails(mosquitto_folder: Path, tmp_path: Path) -> None:
    broker = Mosquitto(mosquitto_folder, users={"maskd": "secret"})
    broker.start()
    try:
        (tmp_path / "password").write_text("wrong")
        login = {"username": "maskd", "password_file": str(tmp_path / "password")}
        address = {"host": broker.host, "port": broker.port}
        refused = row(write_config(tmp_path, mqtt={**address, **login}), "broker")
        assert refused.result == "FAIL"
        assert "mqtt.username" in (refused.problem or "")
        (tmp_path / "password").write_text("secret")
        (tmp_path / "password").chmod(0o644)
        warned = row(write_config(tmp_path, mqtt={**address, **login}), "broker")
        assert warned.result == "warn"
        assert "every user of this device can read the secret" in (warned.problem or "")
        (tmp_path / "password").chmod(0o600)
        accepted = row(write_config(tmp_path, mqtt={**address, **login}), "broker")
        assert accepted.result == "ok"
        assert "lets maskd in as maskd" in accepted.detail
    finally:
        broker.stop()


def test_a_missing_model_fails_alone(tmp_path: Path) -> None:
    rows = {row.what: row for row in check(write_config(tmp_path, detector={"model": "/nowhere/faces.tflite"}))}
    assert rows["detector"].result == "FAIL"
    assert "/nowhere/faces.tflite does not exist" in (rows["detector"].problem or "")
    assert rows["classifier"].result == "ok"


def test_a_model_that_was_cut_short_fails(tmp_path: Path) -> None:
    shipped = CHECKOUT / "models" / "mask-classifier.tflite"
    (tmp_path / shipped.name).write_bytes(shipped.read_bytes()[:-1000])
    (tmp_path / "mask-classifier.json").write_bytes(shipped.with_suffix(".json").read_bytes())
    cut = row(write_config(tmp_path, classifier={"model": str(tmp_path / shipped.name)}), "classifier")
    assert cut.result == "FAIL"
    assert "sha256" in (cut.problem or "")


def test_a_rule_that_no_model_can_keep_is_warned_of(tmp_path: Path) -> None:
    warned = row(write_config(tmp_path, compliance={"compliant": ["masked"]}), "classifier")
    assert warned.result == "warn"
    assert "lists masked, which this model never says" in (warned.problem or "")


def test_a_camera_that_fails_shows_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = f"http://me:secret@127.0.0.1:{free_port()}/video"
    assert run_check(write_config(tmp_path, cameras={"door": {"source": source}})) == 1
    shown = capsys.readouterr().out
    assert "FAIL     camera door" in shown
    assert "secret" not in shown


def test_cameras_that_hang_are_waited_for_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.check, "FRAME_TIMEOUT_S", 2.0)
    with silent_server() as url:
        config = write_config(tmp_path, cameras={name: {"source": url} for name in ("a", "b", "c")})
        started = time.monotonic()
        rows = {row.what: row for row in check(config)}
        elapsed = time.monotonic() - started
    assert [rows[f"camera {name}"].result for name in "abc"] == ["FAIL"] * 3
    assert "no picture came within 2 s" in (rows["camera a"].problem or "")
    assert elapsed < 8  # one after another they would take 9
    wait_until(lambda: not any(t.name.startswith("check-") for t in threading.enumerate()), "the reads end")


def test_a_camera_that_hangs_does_not_spoil_the_end(tmp_path: Path) -> None:
    with silent_server() as url:
        config = write_config(tmp_path, cameras={"a": {"source": url}})
        code = "import edge.check\nedge.check.FRAME_TIMEOUT_S = 0.5\nsys.exit(edge.check.run_check(Path(sys.argv[1])))"
        result = run_code(code, config)
    assert (result.returncode, result.stderr) == (1, "")
    assert "1 FAIL" in result.stdout.splitlines()[-1]


def test_without_any_enabled_camera_the_daemon_would_not_start(tmp_path: Path) -> None:
    assert row(write_config(tmp_path), "cameras").result == "FAIL"
    with_commands = write_config(tmp_path, mqtt={"host": "127.0.0.1", "port": free_port(), "commands": True})
    assert row(with_commands, "cameras").result == "warn", "a command can switch it on"


def test_a_wrong_configuration_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("devise: lobby\nmqtt:\n  port: many\n")
    assert run_check(config) == 1
    shown = capsys.readouterr().out
    assert f"{config}:1:1: devise: there is no such setting" in shown
    assert f"{config}:3:9: mqtt.port" in shown
    assert "skipped  broker" in shown
    assert "ok       clock" in shown


def test_opencv_that_does_not_import_is_explained(tmp_path: Path) -> None:
    code = "sys.modules['cv2'] = None\nimport edge.check\nsys.exit(edge.check.run_check(Path(sys.argv[1])))"
    result = run_code(code, write_config(tmp_path))
    assert (result.returncode, result.stderr) == (1, "")
    assert "OpenCV does not work with numpy" in result.stdout
    assert "skipped  cameras" in result.stdout


def test_a_file_in_the_place_of_the_storage_fails(tmp_path: Path, video: Path) -> None:
    failed = row(write_config(tmp_path, storage={"path": str(video / "below")}), "storage")
    assert failed.result == "FAIL"
    assert f"{video} is no folder" in (failed.problem or "")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_fails(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir(mode=0o500)
    failed = row(write_config(tmp_path), "storage")
    assert failed.result == "FAIL"
    assert "may not be written by" in (failed.problem or "")


def test_a_disk_smaller_than_the_outbox_may_grow_is_warned_of(tmp_path: Path) -> None:
    storage = {"path": str(tmp_path / "storage"), "max_bytes": 10**18}
    warned = row(write_config(tmp_path, storage=storage), "storage")
    assert warned.result == "warn"
    assert "storage.max_bytes" in (warned.problem or "")


# --- the pure parts ---


@pytest.mark.parametrize(("year", "result"), [(1970, "FAIL"), (2023, "FAIL"), (2026, "ok"), (2150, "FAIL")])
def test_clock(year: int, result: str) -> None:
    shown = clock_row(datetime(year, 1, 2, tzinfo=timezone.utc).timestamp())
    assert (shown.result, shown.detail) == (result, f"{year}-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("name", "version", "fits"),
    [
        ("Python", "3.10.4", True),
        ("Python", "3.14.0", False),
        ("numpy", "1.26.4", True),
        ("numpy", "1.19.5", False),
        ("OpenCV", "4.8.0", False),
        ("OpenCV", "4.10.0-dev", True),
        ("OpenCV", "5.0.0", True),
    ],
)
def test_versions(name: str, version: str, fits: bool) -> None:
    problem = untested({name: version})
    assert problem is None if fits else version in (problem or "")


def test_table() -> None:
    rows = [Row("ok", "clock", "now"), Row("FAIL", "broker", "here:1", "it is away;\nstart it")]
    assert as_table(rows).splitlines() == [
        "result   what   detail",
        "ok       clock  now",
        "FAIL     broker here:1",
        "         it is away;",
        "         start it",
        "",
        "1 ok, 1 FAIL",
    ]
