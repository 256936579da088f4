"""What gathering saves: events per second and fsyncs, one at a time and together, on the disk of a folder."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.evaluation.tables import Table
from edge.geometry import Box
from edge.payloads.events import Draft, ModelNames, draft_events
from edge.payloads.topics import Topics
from edge.people.transition import Transition
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.system.arguments import whole_number

MODELS = ModelNames(detector="face-detector/1.0.0", classifier="mask-classifier/1.0.0")
TOPICS = Topics("maskd", "lobby")


@dataclass(frozen=True, slots=True)
class Measured:
    what: str
    together: int
    """Events in one call."""
    events: int
    seconds: float
    fsyncs: int
    """One for a commit of SQLite, and one for the number file where numbers are given; SQLite's checkpoints, one per
    about 1000 pages, come on top."""


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    arguments = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        rows = measure(Path(folder), arguments.events)
    print(f"{arguments.events} events each, on the disk of {arguments.folder or tempfile.gettempdir()}\n")
    print(as_table(rows))
    return 0


def measure(folder: Path, count: int) -> list[Measured]:
    """Commits `count` events, and deletes as many, in portions of 1, 5 and 20: the events of a round of the vision
    thread, and what a broker acknowledges at once."""
    rows = []
    for together in (1, 5, 20):
        record = Record(folder / str(together), keep_days=1, keep_bytes=100_000_000)
        outbox = Outbox(folder / str(together), max_events=10**6, max_bytes=10**9, record=record)
        outbox.open()
        with closing(outbox):
            portions = [range(first, min(first + together, count)) for first in range(0, count, together)]

            def commit(portion: range, outbox: Outbox = outbox) -> None:
                outbox.append(_events(portion))

            def delete(portion: range, outbox: Outbox = outbox) -> None:
                outbox.acknowledge(seq + 1 for seq in portion)
                outbox.delete_acknowledged()

            rows.append(_timed("commit", together, count, portions, commit, fsyncs_per_call=2))
            rows.append(_timed("delete", together, count, portions, delete, fsyncs_per_call=1))
    return sorted(rows, key=lambda row: row.what)


def as_table(rows: Sequence[Measured]) -> str:
    """Ratios are to one at a time."""
    alone = {row.what: row for row in rows if row.together == 1}
    return Table(
        "",
        ("what", "together", "events/s", "ratio", "calls/s", "fsyncs/event"),
        [
            (
                row.what,
                str(row.together),
                f"{row.events / row.seconds:.0f}",
                f"{alone[row.what].seconds / row.seconds:.1f}",
                f"{row.events / row.together / row.seconds:.0f}",
                f"{row.fsyncs / row.events:.2f}",
            )
            for row in rows
        ],
    ).as_text()


def _timed(
    what: str,
    together: int,
    count: int,
    portions: Sequence[range],
    call: Callable[[range], None],
    *,
    fsyncs_per_call: int,
) -> Measured:
    began = time.perf_counter()
    for portion in portions:
        call(portion)
    seconds = time.perf_counter() - began
    return Measured(what, together, count, seconds, fsyncs_per_call * len(portions))


def _events(numbers: range) -> list[Draft]:
    now = time.monotonic()
    return draft_events(
        [
            Transition(
                type="started",
                camera="door",
                track=f"{number:012x}",
                status="without_mask",
                previous=None,
                compliant=False,
                confidence=0.97,
                box=Box(0.41, 0.22, 0.55, 0.48),
                zones=("entrance",),
                started_at=now - 3,
                at=now,
                votes={"with_mask": 1, "without_mask": 14},
            )
            for number in numbers
        ],
        TOPICS,
        MODELS,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outbox", description="Time the outbox on a disk.")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="on the disk to measure (default: the temporary one)"
    )
    parser.add_argument(
        "--events", type=whole_number(20, step=20), default=1000, metavar="N", help="(default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
