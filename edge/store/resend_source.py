"""Finds in the local record what is to be published again. Only reads, so that any thread may use it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from edge.errors import MaskdError
from edge.payloads.events import Event, parse_event
from edge.payloads.numbering import Published, published
from edge.payloads.topics import Topics
from edge.store.outbox_rows import Pending
from edge.store.record_line import RecordedLine, read_line
from edge.store.record_reader import FOLDER_NAME, day_files, lines_backwards, lines_forwards
from edge.store.resend_job import ResendJob, ResendRequest

_ENDS_READ = 1000
"""Lines read at each end of a day's file, for one that is a durable event."""


class Found(NamedTuple):
    day: str
    event: Pending


class ResendSource:
    def __init__(self, storage: Path, prefix: str) -> None:
        """`prefix`: of the topics."""
        self._folder = storage / FOLDER_NAME
        self._prefix = prefix

    def find(self, request: ResendRequest, *, epoch: str, last_row: int) -> ResendJob:
        """`epoch`: the present one; `last_row`: of the newest event. Raises MaskdError where the record holds nothing
        of what is asked for, and OSError."""
        epoch = request.epoch or epoch
        for path in self._days():
            if _is_before(path, epoch, request.begin):
                continue
            for line, number in _durable(lines_forwards(path)):
                if number.epoch == epoch and number.seq >= request.begin:
                    if request.end is not None and number.seq > request.end:
                        break
                    return ResendJob(
                        begin=request.begin,
                        end=request.end,
                        epoch=epoch,
                        first_row=line.row,
                        last_row=last_row,
                        day=path.name,
                        row=line.row - 1,
                    )
        up_to = "" if request.end is None else f" to {request.end}"
        raise MaskdError(
            f"the local record holds no event from number {request.begin}{up_to} of the epoch {epoch}: there was none, "
            "or it is older than storage.keep_days; `maskd events --json` shows what there is"
        )

    def rest(self, job: ResendJob) -> Iterator[Found]:
        """What is still to be published, in the order of the record. Raises OSError."""
        for path in self._days():
            if path.name < job.day:
                continue
            done = job.row if path.name == job.day else 0
            for line in lines_forwards(path):
                recorded = read_line(line)
                if recorded is None or not max(done + 1, job.first_row) <= recorded.row <= job.last_row:
                    continue
                event = parse_event(recorded.payload)
                if event is not None and _is_wanted(event, job):
                    topic = Topics(self._prefix, event.device).event(event.camera)
                    yield Found(path.name, Pending(recorded.row, topic, recorded.payload))

    def _days(self) -> list[Path]:
        try:
            return day_files(self._folder)
        except FileNotFoundError:
            return []


def _is_wanted(event: Event, job: ResendJob) -> bool:
    return job.end is None or (event.epoch == job.epoch and event.seq <= job.end)


def _is_before(path: Path, epoch: str, seq: int) -> bool:
    """Whether, by its ends alone, a day has nothing from this number on."""
    first = next(_durable(islice(lines_forwards(path), _ENDS_READ)), None)
    last = next(_durable(islice(lines_backwards(path), _ENDS_READ)), None)
    if first is None or last is None:
        return False
    begin, end = first[1], last[1]
    return begin.epoch == end.epoch and (end.epoch != epoch or end.seq < seq)


def _durable(lines: Iterator[bytes]) -> Iterator[tuple[RecordedLine, Published]]:
    for line in lines:
        recorded = read_line(line)
        number = None if recorded is None else published(recorded.payload)
        if recorded is not None and number is not None and number.durable:
            yield recorded, number
