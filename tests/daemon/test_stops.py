"""A stop comes to its end in every state: the daemon as a process, real signals, and something broken.

That it takes less than 5 s follows from the limits of its parts, which are tested here; `make faults` measures it.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.support.fake_broker import CONNECT, PUBLISH, SUBSCRIBE, FakeBroker, connack, puback, suback
from tests.support.mjpeg_server import MjpegServer
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.supervisor import Supervisor
from tests.support.trouble import trouble_in
from tests.support.waiting import PATIENCE_S, wait_until

pytest.importorskip("skimage", reason="the clip is made from scikit-image's portrait")

from edge.daemon.stop_guard import EXIT_S, LAST_WORDS_S, STOP_S
from edge.demo_clip import CLIP
from edge.system.deadline import Deadline

PROMISED_S = 5.0
"""What the daemon promises."""
RUN = [sys.executable, "-m", "edge.cli", "run"]


@dataclass
class Scene:
    """A daemon and what is around it."""

    folder: Path
    stack: ExitStack
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    redirection: str = ""
    """As a shell does it."""
    stderr: int | None = None
    """Where its log goes; None: to a file."""
    before_stop: Callable[[subprocess.Popen[bytes]], None] = lambda _daemon: None
    signals: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    statuses: tuple[int, ...] = (0,)
    logged: str = ""
    """What the log says of it."""
    ready: str | None = "is watching"
    """What the log says once the signal may come; None: `before_stop` waits."""

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    @property
    def log(self) -> str:
        path = self.folder / "daemon.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def config(self) -> Path:
        config = {
            "device": "lobby",
            "cameras": {"door": {"source": str(CLIP), "loop": True}},
            "runtime": {"threads": 1},
            "mqtt": {"host": "127.0.0.1", "port": free_port()},
            "storage": {"path": str(self.storage)},
            **self.settings,
        }
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path


State = Callable[[Scene], None]


def committed(scene: Scene) -> bool:
    return any((scene.storage / "record").glob("*.jsonl"))


def seen_by(scene: Scene) -> Callable[[subprocess.Popen[bytes]], None]:
    """Waits for the first event."""
    return lambda _daemon: wait_until(lambda: committed(scene), what="the first event")


def twice(scene: Scene) -> None:
    scene.signals = (signal.SIGTERM, signal.SIGTERM)


def while_the_models_load(scene: Scene) -> None:
    supervisor = Supervisor(scene.folder)
    scene.stack.enter_context(supervisor)
    scene.environment |= supervisor.environment
    scene.ready = None
    scene.before_stop = lambda _daemon: wait_until(
        lambda: any("loading the models" in told.state for told in supervisor.told)
    )
    scene.statuses = (0, -signal.SIGTERM)


def while_it_reloads(scene: Scene) -> None:
    def ask(daemon: subprocess.Popen[bytes]) -> None:
        for _ in range(5):
            daemon.send_signal(signal.SIGHUP)
            time.sleep(0.1)

    scene.before_stop = ask


def log_reader_that_does_not_read(scene: Scene) -> None:
    reading, writing = os.pipe()
    fill(writing)
    scene.stack.callback(os.close, reading)
    scene.stderr = writing
    scene.ready = None
    scene.before_stop = seen_by(scene)


def journal_that_does_not_read(scene: Scene) -> None:
    reading, writing = socket.socketpair()
    scene.stack.enter_context(reading)
    scene.stack.enter_context(writing)
    fill(writing.fileno())
    scene.stderr = os.dup(writing.fileno())
    scene.ready = None
    scene.before_stop = seen_by(scene)


def terminal_that_is_paused(scene: Scene) -> None:
    """Ctrl-S."""
    master, slave = os.openpty()
    scene.stack.callback(os.close, master)
    fill(slave)
    scene.stderr = slave
    scene.ready = None
    scene.before_stop = seen_by(scene)


def log_reader_that_has_gone(scene: Scene) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    scene.stderr = writing
    scene.ready = None
    scene.before_stop = seen_by(scene)


def all_streams_closed(scene: Scene) -> None:
    scene.redirection = "<&- >&- 2>&-"
    scene.ready = None
    scene.before_stop = seen_by(scene)


def full_disk_for_the_log(scene: Scene) -> None:
    scene.redirection = ">/dev/full 2>&1"
    scene.ready = None
    scene.before_stop = seen_by(scene)


def fill(descriptor: int) -> None:
    os.set_blocking(descriptor, False)
    for block in (b"x" * 4096, b"x"):
        while True:
            try:
                os.write(descriptor, block)
            except BlockingIOError:
                break
    os.set_blocking(descriptor, True)


def supervisor_that_does_not_read(scene: Scene) -> None:
    """systemd, stopped."""
    listening = scene.stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    listening.bind(str(scene.folder / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filling:
        filling.setblocking(False)
        try:
            while True:
                filling.sendto(b"x", str(scene.folder / "notify"))
        except BlockingIOError:
            pass
    scene.environment["NOTIFY_SOCKET"] = str(scene.folder / "notify")


def outbox_locked_by_another_program(scene: Scene) -> None:
    def lock(_daemon: subprocess.Popen[bytes]) -> None:
        seen_by(scene)(_daemon)
        other = scene.stack.enter_context(
            closing(sqlite3.connect(scene.storage / "outbox.db", isolation_level=None, timeout=60))
        )
        other.execute("BEGIN IMMEDIATE")
        wait_until(lambda: "stop the other program that has outbox.db open" in scene.log, what="the problem")

    scene.before_stop = lock
    scene.statuses = (0, 1)
    scene.logged = "stop the other program that has outbox.db open"


def outbox_locked_at_the_start(scene: Scene) -> None:
    scene.storage.mkdir()
    other = scene.stack.enter_context(closing(sqlite3.connect(scene.storage / "outbox.db", isolation_level=None)))
    other.execute("CREATE TABLE other (number)")
    other.execute("BEGIN EXCLUSIVE")
    scene.ready = None
    scene.before_stop = lambda _daemon: wait_until(lambda: (scene.storage / "seq").exists(), what="the opening")
    scene.statuses = (0, 1)


def slow_fsync(seconds: float) -> State:
    def slow(scene: Scene) -> None:
        trouble = trouble_in(scene.folder / "trouble")
        scene.environment |= trouble.environment

        def slow_down(_daemon: subprocess.Popen[bytes]) -> None:
            seen_by(scene)(_daemon)
            trouble.slow_fsync(seconds)
            time.sleep(2.0)

        scene.before_stop = slow_down
        scene.statuses = (0, 1)

    slow.__name__ = f"fsync_of_{seconds:g}_s"
    return slow


def broker(scene: Scene, answer: Callable[[int, bytes], bytes | None], *, pause_s: float = 0.0) -> None:
    fake = scene.stack.enter_context(FakeBroker(answer, pause_s=pause_s))
    scene.settings["mqtt"] = {"host": fake.host, "port": fake.port}

    def wait(daemon: subprocess.Popen[bytes]) -> None:
        seen_by(scene)(daemon)
        wait_until(lambda: CONNECT in fake.kinds, what="the connection")

    scene.before_stop = wait


def broker_that_never_acknowledges(scene: Scene) -> None:
    broker(scene, lambda kind, body: {CONNECT: connack(), SUBSCRIBE: suback(body, 1)}.get(kind, b""))


def broker_that_acknowledges_one_message_a_second(scene: Scene) -> None:
    def answer(kind: int, body: bytes) -> bytes:
        if kind == PUBLISH:
            time.sleep(1.0)
            return puback(body)
        return {CONNECT: connack(), SUBSCRIBE: suback(body, 1)}.get(kind, b"")

    broker(scene, answer)


def broker_that_drips(scene: Scene) -> None:
    def answer(kind: int, body: bytes) -> bytes:
        if kind == PUBLISH:
            return puback(body)
        return {CONNECT: connack(), SUBSCRIBE: suback(body, 1)}.get(kind, b"")

    broker(scene, answer, pause_s=0.3)


def broker_that_never_lets_in(scene: Scene) -> None:
    broker(scene, lambda _kind, _body: b"")


def broker_frozen(scene: Scene) -> None:
    real = Mosquitto(scene.folder / "mosquitto")
    real.start()
    scene.stack.callback(real.stop)
    scene.settings["mqtt"] = {"host": real.host, "port": real.port}

    def freeze(_daemon: subprocess.Popen[bytes]) -> None:
        seen_by(scene)(_daemon)
        real.freeze()
        time.sleep(1.0)

    scene.before_stop = freeze


def broker_that_floods(scene: Scene) -> None:
    """More than can be read."""
    stopping = threading.Event()
    scene.stack.callback(stopping.set)
    message = b"\x30\x12\x00\x0cmaskd/x/y/ev\x00123"

    def answer(kind: int, body: bytes) -> bytes:
        if kind == CONNECT:
            return connack() + message * 2_000_000
        return suback(body, 1) if kind == SUBSCRIBE else puback(body) if kind == PUBLISH else b""

    broker(scene, answer)


def camera_that_never_answers(scene: Scene) -> None:
    listener = scene.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    source = f"http://127.0.0.1:{listener.getsockname()[1]}/stream.mjpg"
    scene.settings["cameras"] = {"door": {"source": source}}


def camera_that_falls_silent(scene: Scene) -> None:
    server = scene.stack.enter_context(MjpegServer())
    scene.settings["cameras"] = {"door": {"source": server.url}}

    def silence(_daemon: subprocess.Popen[bytes]) -> None:
        wait_until(lambda: "connected to" in scene.log)
        server.silent.set()
        time.sleep(1.0)

    scene.before_stop = silence


STATES: list[State] = [
    twice,
    while_the_models_load,
    while_it_reloads,
    log_reader_that_does_not_read,
    journal_that_does_not_read,
    terminal_that_is_paused,
    log_reader_that_has_gone,
    all_streams_closed,
    full_disk_for_the_log,
    supervisor_that_does_not_read,
    outbox_locked_by_another_program,
    outbox_locked_at_the_start,
    slow_fsync(0.5),
    broker_that_never_acknowledges,
    broker_that_acknowledges_one_message_a_second,
    broker_that_drips,
    broker_that_never_lets_in,
    broker_frozen,
    broker_that_floods,
    camera_that_never_answers,
    camera_that_falls_silent,
]


@contextmanager
def daemon_in(scene: Scene, more: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (scene.folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" {scene.redirection}', "bash", *RUN, "-c", str(scene.config())],
            stderr=log if scene.stderr is None else scene.stderr,
            env={**os.environ, **more, **scene.environment},
        )
    if scene.stderr is not None:
        os.close(scene.stderr)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_stop_comes_to_its_end(tmp_path: Path, state: State) -> None:
    with ExitStack() as stack:
        scene = Scene(tmp_path, stack)
        state(scene)
        with daemon_in(scene, {}) as daemon:
            if (ready := scene.ready) is not None:
                wait_until(lambda: ready in scene.log, what="the start")
            scene.before_stop(daemon)
            assert daemon.poll() is None, scene.log
            for number in scene.signals:
                daemon.send_signal(number)
            try:
                status = daemon.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                pytest.fail(f"not stopped within {PATIENCE_S:g} s: {scene.log}")
    assert status in scene.statuses, scene.log
    assert "Traceback" not in scene.log
    assert scene.logged in scene.log


def test_the_limits_of_a_stop_add_up_to_less_than_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert STOP_S < EXIT_S < EXIT_S + LAST_WORDS_S < PROMISED_S
    now = 100.0
    monkeypatch.setattr("edge.system.deadline.time", SimpleNamespace(monotonic=lambda: now))
    stop = Deadline(STOP_S)
    now += 1.0
    assert stop.left == STOP_S - 1
    assert stop.within(0.5).left == 0.5
    assert stop.within(10, spare=1.5).left == STOP_S - 2.5
    now += STOP_S
    assert stop.is_past
    assert stop.within(10).is_past


def test_no_thread_at_a_reload_takes_the_daemon_down(tmp_path: Path) -> None:
    with ExitStack() as stack:
        scene = Scene(tmp_path, stack)
        trouble = trouble_in(tmp_path / "trouble")
        scene.environment |= trouble.environment
        cameras = {"door": {"source": str(CLIP), "loop": True}}
        scene.settings["cameras"] = cameras
        with daemon_in(scene, {}) as daemon:
            wait_until(lambda: "is watching" in scene.log, what="the start")
            wait_until(lambda: committed(scene), what="the first event")
            trouble.no_threads(True)
            cameras["hall"] = {"source": str(CLIP), "loop": True}
            scene.config()
            daemon.send_signal(signal.SIGHUP)
            wait_until(lambda: "camera hall: no thread can be started for it" in scene.log, what="the problem")
            time.sleep(2.0)  # for attempts that are not to be told
            trouble.no_threads(False)
            wait_until(lambda: "camera hall: connected" in scene.log, what="the new camera")
            trouble.no_threads(True)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(timeout=PATIENCE_S) == 0
        assert "Traceback" not in scene.log
        assert scene.log.count("no thread can be started") == 1


def test_no_thread_at_the_start_is_one_sentence(tmp_path: Path) -> None:
    with ExitStack() as stack:
        scene = Scene(tmp_path, stack)
        trouble = trouble_in(tmp_path / "trouble")
        scene.environment |= trouble.environment
        supervisor = stack.enter_context(Supervisor(tmp_path))
        scene.environment |= supervisor.environment
        with daemon_in(scene, {}) as daemon:
            wait_until(lambda: any("loading the models" in told.state for told in supervisor.told), what="the loading")
            trouble.no_threads(True)  # some libraries end the program at once where they are imported without
            assert daemon.wait(timeout=60) == 1
        assert "Traceback" not in scene.log
        assert "maskd: the system cannot start more threads" in scene.log


def test_what_a_stop_leaves_behind_is_named(tmp_path: Path) -> None:
    with ExitStack() as stack:
        scene = Scene(tmp_path, stack)
        slow_fsync(20.0)(scene)
        with daemon_in(scene, {}) as daemon:
            scene.before_stop(daemon)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(timeout=PATIENCE_S) in scene.statuses, scene.log
        assert "Traceback" not in scene.log
        assert f"the disk of {scene.storage} still hangs" in scene.log or "the vision thread still" in scene.log


def test_lines_that_a_slow_reader_missed_are_counted(tmp_path: Path) -> None:
    code = (
        "import logging, sys\n"
        "from edge.daemon.logs import configure_logging, write_waiting_lines\n"
        "configure_logging('info')\n"
        "for number in range(20_000): logging.info('line %d %s', number, 'x' * 50)\n"
        "print('written', flush=True)\n"
        "sys.stdin.read(1)\n"
        "write_waiting_lines()\n"
        "logging.info('the last')\n"
    )
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "written\n"
        lines: list[str] = []
        reader = threading.Thread(target=lines.extend, args=(process.stderr,))
        reader.start()
        time.sleep(0.5)
        process.stdin.write("x")
        process.stdin.close()
        reader.join(30)
    numbers = [int(line.split()[4]) for line in lines if " line " in line]
    [gap] = [line for line in lines if "log lines dropped" in line]
    assert numbers == list(range(len(numbers)))
    assert f": {20_000 - len(numbers)}" in gap
    assert lines[-1].endswith("the last\n")
