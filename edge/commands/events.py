"""`maskd events`: what happened lately, from the local record; no broker and no running daemon needed."""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from edge.commands.audit_table import print_audit
from edge.commands.event_table import EventTable
from edge.commands.since import parse_since
from edge.config import StorageSettings
from edge.config.file import decode_config, find_config, load_config, read_config
from edge.config.overrides import is_aggregate
from edge.config.yaml_source import SyntaxProblem, read_yaml
from edge.errors import MaskdError, UsageError
from edge.payloads.events import Event, parse_event
from edge.payloads.payload import parse_timestamp
from edge.store.record_follower import RecordFollower
from edge.store.record_line import read_line
from edge.store.record_reader import FOLDER_NAME, DayLine, day_files, lines_backwards, lines_forwards
from edge.store.state_files import require_record_of_files
from edge.system.arguments import add_config, whole_number
from edge.system.standard_streams import OutputError

DEFAULT_COUNT = 50
POLL_MS = 250


DESCRIPTION = "Prints the events recorded on this device, sent or not; a table of the last ones by default."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="then print new ones, until Ctrl-C")
    parser.add_argument(
        "--since",
        metavar="WHEN",
        help="only events since then: 30m, 2h, 7d, 15:00, 2026-11-20 or 2026-11-20T15:00, local time unless a Z "
        "follows",
    )
    parser.add_argument("--json", action="store_true", help="print the recorded lines, one JSON object each")
    parser.add_argument("--camera", metavar="NAME", help="only events of this camera")
    parser.add_argument(
        "-n", "--last", type=whole_number(1), metavar="N", help="only the last N (default 50, all with --since)"
    )
    parser.add_argument(
        "--audit", action="store_true", help="print who changed which setting instead, and by which door"
    )
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    if args.audit:
        if args.follow or args.camera:
            raise UsageError("--audit goes with --since, --last and --json alone")
        begin = None if args.since is None else parse_since(args.since, datetime.now(timezone.utc)).timestamp()
        storage = _storage_settings(args.config)
        print_audit(storage.path, begin=begin, as_json=args.json, count=args.last)
        return 0
    return run_events(
        args.config,
        follow=args.follow,
        since=args.since,
        as_json=args.json,
        camera=args.camera,
        count=args.last,
    )


def run_events(
    config_path: Path | None, *, follow: bool, since: str | None, as_json: bool, camera: str | None, count: int | None
) -> int:
    """Prints the last `count` events, or all since a moment; returns the exit status. With `follow` it then goes on.

    Raises UsageError for a wrong `since`, and MaskdError where there is no record or it may not be read.
    """
    begin = None if since is None else parse_since(since, datetime.now(timezone.utc)).timestamp()
    storage = _storage_settings(config_path)
    require_record_of_files(storage.path)
    folder = storage.path / FOLDER_NAME
    listing = _Listing(folder, camera, _print_json if as_json else _TablePrinter())
    try:
        follower = RecordFollower(folder)
        follower.skip_to_end()
        _require_events(config_path, storage)
        listing.show_past(begin, count)
        if follow:
            listing.follow(follower, lambda: _require_events(config_path, storage))
    except FileNotFoundError:
        raise MaskdError(_why_there_is_none(folder, storage)) from None
    except PermissionError:
        raise MaskdError(f"this user may not read the record in {folder}; run: sudo -u maskd maskd events") from None
    except OSError as error:
        raise MaskdError(f"the record in {folder} cannot be read: {error.strerror or error}; check that disk") from None
    return 0


class Chosen(NamedTuple):
    """An event to be printed."""

    row: int
    """Orders events, also through epochs."""
    event: Event
    payload: bytes
    """As it was published."""


class _Listing:
    """Chooses events of the record and prints them."""

    def __init__(self, folder: Path, camera: str | None, print_event: Callable[[Event, bytes], None]) -> None:
        self._folder = folder
        self._camera = camera
        self._print_event = print_event
        self._unreadable: Counter[str] = Counter()
        """Lines that are not as they were written, by the day's file."""
        self._highest_row = 0

    def show_past(self, begin: float | None, count: int | None) -> None:
        """The last `count` from `begin` on (seconds since 1970); without a `count` all from there, or else the last
        `DEFAULT_COUNT`. Raises OSError."""
        chosen: Iterable[Chosen]
        if begin is None:
            newest_first = self._matching(self._newest_first())
            chosen = sorted(islice(newest_first, count or DEFAULT_COUNT), key=lambda chosen: chosen.row)
        else:
            chosen = self._matching(self._oldest_first(begin), begin)
            chosen = chosen if count is None else deque(chosen, count)
        for one in chosen:
            self._print(one)
        if not self._highest_row:
            of_camera = "" if self._camera is None else f" of the camera {self._camera}"
            print(f"no event{of_camera} is recorded{'' if begin is None else ' since then'}", file=sys.stderr)
        self._report_unreadable()

    def follow(self, follower: RecordFollower, require_events: Callable[[], None]) -> None:
        """Until the reader is gone. Raises OutputError and OSError; `require_events` raises what is to end it."""
        while True:
            new = [*self._matching(follower.new_lines())]
            if new:
                require_events()
            # In their order, also where the clock has stepped back to the day before.
            for one in sorted(new, key=lambda chosen: chosen.row):
                # What came while the past was read has been shown with it.
                if one.row > self._highest_row:
                    self._print(one)
            self._report_unreadable()
            _wait_for_new(sys.stdout.fileno())

    def _newest_first(self) -> Iterator[DayLine]:
        for path in reversed(day_files(self._folder)):
            for line in lines_backwards(path):
                yield DayLine(path.name, line)

    def _oldest_first(self, begin: float) -> Iterator[DayLine]:
        first = datetime.fromtimestamp(begin, timezone.utc).date().isoformat()
        for path in day_files(self._folder):
            if path.stem >= first:
                for line in lines_forwards(path):
                    yield DayLine(path.name, line)

    def _matching(self, lines: Iterable[DayLine], begin: float = 0.0) -> Iterator[Chosen]:
        """Events with their payloads as they were published."""
        for file_name, line in lines:
            recorded = read_line(line)
            event = None if recorded is None else parse_event(recorded.payload)
            if recorded is None or event is None:
                self._unreadable[file_name] += 1
            elif self._camera in (None, event.camera) and (not begin or parse_timestamp(event.time) >= begin):
                yield Chosen(recorded.row, event, recorded.payload)

    def _print(self, chosen: Chosen) -> None:
        self._highest_row = max(self._highest_row, chosen.row)
        self._print_event(chosen.event, chosen.payload)

    def _report_unreadable(self) -> None:
        for file_name, count in self._unreadable.items():
            print(
                f"lines of {self._folder / file_name} that are damaged and left out: {count}",
                file=sys.stderr,
            )
        self._unreadable.clear()


def _print_json(_event: Event, line: bytes) -> None:
    """The event as it was published."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


class _TablePrinter:
    def __init__(self) -> None:
        self._table = EventTable(sys.stdout, with_dates=True)
        self._has_heading = False

    def __call__(self, event: Event, _line: bytes) -> None:
        if not self._has_heading:
            self._has_heading = True
            self._table.heading()
        self._table.event(event)


def _wait_for_new(output: int) -> None:
    """Raises OutputError if the reader of the output has gone."""
    watch = select.poll()
    watch.register(output, 0)
    if watch.poll(POLL_MS):
        raise OutputError(BrokenPipeError())


def _storage_settings(path: Path | None) -> StorageSettings:
    """Only this section, so that neither a password file that this user may not read nor a mistake elsewhere matters.
    Raises UsageError."""
    path = path or find_config()
    if path is None:
        return StorageSettings()
    try:
        values = read_yaml(decode_config(read_config(path), path)).value
        return StorageSettings.model_validate((values.get("storage") if isinstance(values, dict) else None) or {})
    except (SyntaxProblem, ValidationError):
        return load_config(path).storage


def _require_events(config_path: Path | None, storage: StorageSettings) -> None:
    """Raises MaskdError while privacy is aggregate."""
    path = config_path or find_config()
    try:
        values = None if path is None else read_yaml(decode_config(read_config(path), path)).value
    except (SyntaxProblem, UsageError):
        return  # as the daemon, which goes on by what it read last
    privacy = values.get("privacy") if isinstance(values, dict) else None
    if is_aggregate(storage.path, privacy if isinstance(privacy, str) else None):
        raise MaskdError(
            "privacy is aggregate, so no event about a single person is shown; events recorded before stay in "
            f"{storage.path / FOLDER_NAME}, one line of JSON per event, and are shown here once privacy is events"
        )


def _why_there_is_none(folder: Path, storage: StorageSettings) -> str:
    if storage.keep_days == 0:
        return "nothing is recorded, because storage.keep_days is 0; set it to the number of days to keep"
    if not os.access(folder.parent, os.F_OK):
        return f"there is no folder {folder.parent}; give the daemon's configuration with -c, or start maskd"
    return (
        f"there is no record in {folder} yet: maskd creates it with its first event; start maskd, and check that "
        "`privacy` is `events`"
    )
