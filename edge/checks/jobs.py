"""Runs checks in parallel, each with a time limit, so that a check that hangs or fails is only a row."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edge.checks.row import Row
from edge.errors import MaskdError
from edge.system.masking import mask_url

_THREAD_PREFIX = "check-"


@dataclass(frozen=True, slots=True)
class Job:
    what: str
    """Of the row that says that it failed."""
    detail: str
    """Of that row: what was tried."""
    attempt: Callable[[], Iterable[Row]]
    """Gives its rows, if any, as it goes. What comes after the last one, such as closing a camera, may fail
    unnoticed."""
    limit_s: float
    too_slow: str
    """What is wrong and how to fix it if the check timed out."""


class Running:
    """Jobs under way, each in a thread of its own."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._rows: list[list[Row]] = [[] for _ in jobs]
        self._started_at = time.monotonic()
        self._threads = [
            threading.Thread(target=_run, args=(job, rows), name=f"{_THREAD_PREFIX}{job.what}", daemon=True)
            for job, rows in zip(jobs, self._rows, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def rows(self) -> list[Row]:
        """In the order of the jobs, once each has ended or used its time up."""
        result = []
        for job, thread, rows in zip(self._jobs, self._threads, self._rows, strict=True):
            thread.join(max(0.0, self._started_at + job.limit_s - time.monotonic()))
            hangs = thread.is_alive()
            result += rows.copy() or ([Row("FAIL", job.what, job.detail, job.too_slow)] if hangs else [])
        return result


def run_together(jobs: Sequence[Job]) -> list[Row]:
    return Running(jobs).rows()


def any_hangs() -> bool:
    """Whether a job was left behind, which Python cannot end."""
    return any(thread.name.startswith(_THREAD_PREFIX) for thread in threading.enumerate())


def _run(job: Job, rows: list[Row]) -> None:
    try:
        for row in job.attempt():
            rows.append(row)  # noqa: PERF402 - at once, for what follows may hang
    except MaskdError as error:
        _fail(job, rows, mask_url(str(error)))
    except Exception as error:  # noqa: BLE001 - a check that trips over the unforeseen still reports it in its row
        reason = mask_url(" ".join(str(error).split()))
        _fail(job, rows, f"an unexpected error ({type(error).__name__}: {reason}); please report it")


def _fail(job: Job, rows: list[Row], problem: str) -> None:
    if not rows:
        rows.append(Row("FAIL", job.what, job.detail, problem))
