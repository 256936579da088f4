"""`maskd demo`: the whole way from a clip to a subscriber on this one machine."""

from __future__ import annotations

import argparse
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from edge.commands.demo.acting import DemoActing, LogFollower
from edge.commands.demo.broker import HOST, PROTOCOL, Broker, Message, Subscriber
from edge.commands.demo.configuration import write_config
from edge.commands.demo.page import DemoPage
from edge.commands.demo.printout import Printout
from edge.demo_clip import CLIP, CLIP_S, PEOPLE
from edge.errors import MaskdError
from edge.payloads.events import parse_event
from edge.payloads.topics import Topics

TOPICS = Topics("maskd", "demo")
CAMERA = "door"
DAEMON = (sys.executable, "-m", "edge.cli", "run")
POLL_S = 0.2
LAST_WORDS_S = 3.0
"""How long the subscriber waits for `offline` after the daemon has ended."""
STOP_S = 8.0
"""How long the daemon may take to end; it promises 5 s."""
LOG_LINES_SHOWN = 12


DESCRIPTION = (
    "Plays a built-in clip through the real daemon and an embedded broker, and prints the events and the address of "
    "the page. In a terminal the clip goes on until Ctrl-C."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lan", action="store_true", help="other machines on the network, such as a phone, may open the page as well"
    )
    parser.add_argument(
        "--act",
        action="store_true",
        help="a rule speaks, calls a webhook of the demo, and switches a pin that is not there",
    )
    parser.add_argument("--loop", action="store_true", help="the clip goes on until Ctrl-C, as it does in a terminal")


def main(args: argparse.Namespace) -> int:
    return run_demo(lan=args.lan, act=args.act, loop=args.loop or args.lan or sys.stdout.isatty())


def run_demo(
    *,
    out: TextIO | None = None,
    clip: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    daemon: Sequence[str] = DAEMON,
    lan: bool = False,
    act: bool = False,
    loop: bool = False,
) -> int:
    """Plays the built-in clip (or `clip`) through the real daemon and prints the events that a subscriber receives.

    `settings` are further sections for the generated config.yaml. `lan`: the page is open to the network. `act`: a rule
    acts on what happens. `loop`: the clip goes on, for those who look at the page. Returns the exit status: 0 at the
    clip's end, and on Ctrl-C or SIGTERM as well, when everything it started has ended. Raises MaskdError where
    something is missing or the daemon fails. Call it from the main thread, since it takes the signals.
    """
    printout = Printout(out or sys.stdout)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            acting = stack.enter_context(DemoActing(printout.acts)) if act else None
            _play(printout, clip, settings or {}, daemon, DemoPage(is_open=lan), acting, loop=loop)
    except KeyboardInterrupt:
        printout.line()
        printout.line("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _play(
    printout: Printout,
    clip: Path | None,
    settings: Mapping[str, Any],
    daemon: Sequence[str],
    page: DemoPage,
    acting: DemoActing | None,
    *,
    loop: bool,
) -> None:
    if clip is None:
        clip = CLIP
        printout.line(f"A clip of {CLIP_S:.0f} seconds shows three people at a counter:")
        for name, story in PEOPLE.items():
            printout.line(f"  {name}  {story}")
    with (
        tempfile.TemporaryDirectory(prefix="maskd-demo-") as folder,
        Broker() as broker,
        Subscriber(broker.port, f"{TOPICS.prefix}/{TOPICS.device}/#") as subscriber,
    ):
        config = Path(folder) / "config.yaml"
        values = _configuration(broker.port, clip, Path(folder), {"web": page.settings, **settings}, loop=loop)
        values |= {} if acting is None else acting.settings
        write_config(config, values)
        page.prepare(Path(folder) / "storage")
        printout.line("To see the picture with its boxes, open this address in a browser; its key works once:")
        printout.line(f"  {page.address}")
        printout.line(
            "Its Tune view moves thresholds and draws zones. Saving there writes this file, as long as the demo runs:"
        )
        printout.line(f"  {config}")
        printout.line(
            f"The broker listens on {HOST}, port {broker.port}. To see everything that is published, run meanwhile:"
        )
        printout.line(f"  mosquitto_sub -h {HOST} -p {broker.port} -t '{TOPICS.prefix}/#' -v")
        printout.line()
        printout.heading()
        log = Path(folder) / "maskd.log"
        environment = {} if acting is None else acting.environment
        with _Daemon([*daemon, "-c", str(config)], log=log, environment=environment) as running:
            told = LogFollower(log) if acting is not None else None
            _print_events(subscriber.messages, running, printout, told, loop=loop)
            running.check()
        printout.summary()


def _configuration(port: int, clip: Path, folder: Path, settings: Mapping[str, Any], *, loop: bool) -> dict[str, Any]:
    return {
        "device": TOPICS.device,
        "cameras": {CAMERA: {"source": str(clip), "loop": loop}},
        "compliance": {"compliant": ["with_mask"], "min_votes": 5},
        "mqtt": {"host": HOST, "port": port, "protocol": PROTOCOL, "prefix": TOPICS.prefix},
        "storage": {"path": str(folder / "storage")},
        **settings,
    }


def _print_events(
    messages: queue.Queue[Message], daemon: _Daemon, printout: Printout, told: LogFollower | None, *, loop: bool
) -> None:
    """With `loop`, sums up once everyone has left.

    Ends once the daemon has ended and said `offline`, which is the last that it publishes."""
    ended_at: float | None = None
    is_summed_up = False
    while True:
        try:
            message = messages.get(timeout=POLL_S)
        except queue.Empty:
            message = None
        if message is not None and (event := parse_event(message.payload)) is not None:
            printout.event(event)
            if loop and not is_summed_up and printout.left == len(PEOPLE):
                is_summed_up = True
                printout.summary()
                printout.line()
                printout.line("The clip goes on in a loop. Ctrl-C ends the demo.")
        for line in [] if told is None else told.new_lines():
            printout.acts(line)
        if ended_at is None and daemon.has_ended():
            ended_at = time.monotonic()
        said_goodbye = message is not None and message == Message(TOPICS.availability, b"offline")
        if said_goodbye or (ended_at is not None and time.monotonic() - ended_at > LAST_WORDS_S):
            return


class _Daemon:
    """The daemon as a process of its own, from `with` to its end; its log goes to a file."""

    def __init__(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Daemon:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Where maskd runs from a checkout, `-m edge.cli` is found through the path that this process has.
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "PYTHONUNBUFFERED": "1",
                    **self._environment,
                },
                # Ctrl-C reaches this process alone, which then stops the daemon once and in order.
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        # An impatient second Ctrl-C would leave the daemon running.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            if self._process.poll() is None:
                self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        finally:
            signal.signal(signal.SIGINT, before)

    def has_ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    def check(self) -> None:
        """Waits for the end. Raises MaskdError with the end of the log where the status is not 0."""
        assert self._process is not None
        try:
            status = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise MaskdError(f"the demo's daemon said goodbye but did not end within {STOP_S:.0f} s") from None
        if status != 0:
            last = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            raise MaskdError("\n".join([f"the demo's daemon ended with status {status}; the end of its log:", *last]))
