"""`maskd check` as a whole: its rows, its exit status, and its patience."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.checks.jobs import Job, any_hangs, run_together
from edge.checks.row import Row, as_table
from edge.commands.check import check, run_check
from edge.errors import MaskdError
from edge.store.outbox import Outbox
from tests.support.check_config import rows_of, write_config
from tests.support.disks import in_memory
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.pictures import red_left_blue_right, write_photo, write_video
from tests.support.places import ROOT
from tests.support.waiting import wait_until

CHECKOUT = ROOT
VISION = ("software", "opencv", "runtime", "detector", "classifier")
MESSAGING = ("broker", "daemon", "home assistant", "storage", "outbox", "record", "snapshots")
BOARD = ("clock", "memory", "temperature", "power")


def good_storage(folder: Path) -> str:
    """What is said of a storage there that has nothing wrong with it; in memory it would be lost with the power."""
    return "warn" if in_memory(folder) else "ok"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "visit.avi", [red_left_blue_right()] * 5)


def run_command(config: Path, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """`maskd check` in a process of its own, after `code`."""
    program = f"import sys\n{code}\nfrom edge.cli import main\nsys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, "check", "-c", str(config), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=CHECKOUT,
    )


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections on this port and never says a word; they end with the context, and so do the reads that wait
    for them."""
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
            yield server.getsockname()[1]
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
    result = run_command(config, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert answer.keys() == {"ok", "version", "checks"}
    assert answer["ok"] is True
    assert all(entry.keys() == {"result", "what", "detail", "problem", "figures"} for entry in answer["checks"])
    rows = {entry["what"]: entry for entry in answer["checks"]}
    assert list(rows) == ["configuration", *VISION, "camera door", "camera desk", *MESSAGING, *BOARD]
    assert rows["storage"]["result"] == good_storage(tmp_path)
    others = {entry["result"] for what, entry in rows.items() if what not in (*BOARD, "storage")}
    assert others <= {"ok", "skipped"}
    assert rows["configuration"]["detail"] == str(config)
    assert rows["camera door"]["figures"] == {"width": 64, "height": 48, "per_second": None}
    assert rows["camera desk"]["figures"] == {"width": 60, "height": 80, "per_second": None}
    assert f"127.0.0.1:{mosquitto.port} accepts maskd, with MQTT 5, accepts a message" in rows["broker"]["detail"]
    assert "does not exist yet" in rows["storage"]["detail"]
    assert sorted(path for path in tmp_path.rglob("*") if "mosquitto" not in path.parts) == before


def test_the_configuration_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert check(None)[0] == Row("ok", "configuration", "config.yaml")


def test_a_running_maskd_is_said_and_is_no_failure(tmp_path: Path, video: Path) -> None:
    sources = {"usb": "/dev/null", "unplugged": "/dev/video63", "door": str(video), "gone": "gone.mp4"}
    cameras = {name: {"source": source} for name, source in sources.items()}
    config = write_config(tmp_path, cameras=cameras)
    rows = rows_of(config)
    assert rows["camera usb"].result == "FAIL"
    assert "not running" in rows["daemon"].detail
    outbox = Outbox(tmp_path / "storage", max_events=10, max_bytes=10**6)
    outbox.open()
    try:
        rows = rows_of(config)
    finally:
        outbox.close()
    assert (rows["storage"].result, rows["outbox"].result) == (good_storage(tmp_path), "ok")
    assert "in use by a running maskd" in rows["storage"].detail
    assert rows["daemon"].figures["running"] is True
    assert rows["camera usb"].result == "warn"
    assert "the running maskd is using it" in (rows["camera usb"].problem or "")
    assert [rows[f"camera {name}"].result for name in ("unplugged", "door", "gone")] == ["FAIL", "ok", "FAIL"]
    assert "writable by" in rows_of(config)["storage"].detail


def test_what_is_switched_off_is_skipped(tmp_path: Path, video: Path) -> None:
    off = {"source": "auto", "enabled": False}
    cameras = {"door": {"source": str(video)}, "off": off, "clip": {"source": "demo"}}
    rows = rows_of(write_config(tmp_path, cameras=cameras))
    assert {rows[what].result for what in ("broker", "home assistant", "camera off")} == {"skipped"}
    assert rows["camera clip"].result == "ok"


def test_the_page_names_every_row_and_figure(mosquitto: Mosquitto, tmp_path: Path, video: Path) -> None:
    mqtt = {"port": mosquitto.port, "host": "127.0.0.1"}
    tried, figures = (CHECKOUT / "docs/check.md").read_text().split("## For programs")
    names = [
        name for line in tried.splitlines() if line.startswith("| ") for name in line.split(" | ")[0][2:].split(", ")
    ]
    documented = {line.split(" | ")[0][2:]: line for line in figures.splitlines() if line.startswith("| ")}
    assert len(documented) > 15
    config = write_config(tmp_path, cameras={"dot": {"source": str(video)}}, mqtt=mqtt)
    for row in check(config):
        what = row.what.replace("camera dot", "camera ...")
        assert what in names
        assert all(f"`{figure}`" in documented[what] for figure in row.figures)


# --- what is wrong ---


def test_a_failure_has_its_remedy_and_shows_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    source = f"http://me:secret@127.0.0.1:{free_port()}/video"
    mqtt = {"host": "127.0.0.1", "port": port}
    assert run_check(write_config(tmp_path, cameras={"door": {"source": source}}, mqtt=mqtt)) == 1
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    index = next(number for number, line in enumerate(lines) if line.startswith("FAIL     broker "))
    assert f"127.0.0.1:{port}" in lines[index]
    assert lines[index + 1].startswith(" ")
    assert "correct mqtt.host and mqtt.port" in lines[index + 1]
    assert "FAIL     camera door" in shown
    assert "secret" not in shown


def test_a_wrong_configuration_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("devise: lobby\nmqtt:\n  port: many\n")
    assert run_check(config) == 1
    shown = capsys.readouterr().out
    assert f"{config}:1:1: devise: there is no such setting" in shown
    assert f"{config}:3:9: mqtt.port" in shown
    assert "skipped  broker" in shown
    assert "ok       software" in shown


def test_opencv_that_does_not_import_is_explained(tmp_path: Path) -> None:
    result = run_command(write_config(tmp_path), code="sys.modules['cv2'] = None")
    assert (result.returncode, result.stderr) == (1, "")
    assert "OpenCV does not work with numpy" in result.stdout
    assert "skipped  cameras" in result.stdout
    assert f"{good_storage(tmp_path):<8} storage" in result.stdout


def test_without_any_enabled_camera_the_daemon_would_not_start(tmp_path: Path) -> None:
    assert rows_of(write_config(tmp_path))["cameras"].result == "FAIL"
    with_commands = write_config(tmp_path, mqtt={"host": "127.0.0.1", "port": free_port(), "commands": True})
    assert rows_of(with_commands)["cameras"].result == "warn", "a command can switch it on"


# --- patience ---


def test_where_nothing_answers_it_ends_all_the_same(tmp_path: Path) -> None:
    brief = "from edge.mqtt import session\nsession.FIRST_ANSWER_TIMEOUT_S, session.ANSWER_TIMEOUT_S = 1.0, 2.0\n"
    with silent_server() as port:
        cameras = {name: {"source": f"http://127.0.0.1:{port}/{name}"} for name in ("a", "b", "c")}
        config = write_config(tmp_path, cameras=cameras, mqtt={"host": "127.0.0.1", "port": port})
        result = run_command(config, code=brief)
    assert (result.returncode, result.stderr) == (1, "")
    failed = [line.split("  ")[2].strip() for line in result.stdout.splitlines() if line.startswith("FAIL")]
    assert result.stdout.count("FAIL     camera") == 3, failed
    assert "does not answer MQTT 5 or 3.1.1; check whether it is overloaded" in result.stdout


def test_a_camera_that_hangs_does_not_spoil_the_end(tmp_path: Path) -> None:
    code = (
        "import atexit, edge.checks.cameras\n"
        "edge.checks.cameras.STREAM_TIMEOUT_S = 0.2\n"
        "atexit.register(print, 'the interpreter ends, and a read that returns meanwhile would abort it')"
    )
    with silent_server() as port:
        config = write_config(tmp_path, cameras={"a": {"source": f"http://127.0.0.1:{port}/"}})
        result = run_command(config, code=code)
    assert (result.returncode, result.stderr) == (1, "")
    assert "no picture came within 0.2 s" in result.stdout
    assert "1 FAIL" in result.stdout.splitlines()[-1]


def test_what_hangs_or_trips_is_a_row() -> None:
    release = threading.Event()

    def hang() -> Iterator[Row]:
        release.wait(30)
        yield Row("ok", "hang", "")

    def trip() -> Iterator[Row]:
        raise ZeroDivisionError("rtsp://me:secret@there is\nno camera")

    def refuse() -> Iterator[Row]:
        raise MaskdError("it is broken; mend it")

    def say_nothing() -> Iterator[Row]:
        yield from ()

    def tell_then_trip() -> Iterator[Row]:
        yield Row("ok", "told", "")
        raise OSError("not closed")

    attempts = {"hang": hang, "trip": trip, "refuse": refuse, "none": say_nothing, "told": tell_then_trip}
    rows = run_together([Job(what, "tried", attempt, 0.3, "too slow") for what, attempt in attempts.items()])
    assert any_hangs()
    release.set()
    assert rows[0] == Row("FAIL", "hang", "tried", "too slow")
    assert (rows[1].result, rows[1].what) == ("FAIL", "trip")
    assert "ZeroDivisionError: rtsp://me:***@there is no camera" in (rows[1].problem or "")
    assert rows[2:] == [Row("FAIL", "refuse", "tried", "it is broken; mend it"), Row("ok", "told", "")]
    wait_until(lambda: not any_hangs(), "the thread ends")


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
