"""A thread that works in steps."""

from __future__ import annotations

import threading

import pytest

from edge.system.deadline import Deadline
from edge.system.worker import Worker
from tests.support.waiting import wait_until


def fail(error: BaseException) -> None:
    raise AssertionError from error


def test_it_rests_until_it_is_woken_and_finishes_when_it_is_stopped() -> None:
    steps: list[float] = []
    stops: list[str] = []

    def step(now: float) -> float:
        steps.append(now)
        return 60

    worker = Worker("test", step, on_failure=fail, on_stop=lambda: stops.append(threading.current_thread().name))
    worker.start()
    wait_until(lambda: len(steps) == 1, what="the first step")
    worker.wake()
    wait_until(lambda: len(steps) == 2, what="the second step")
    assert worker.is_alive
    worker.stop(Deadline(10))
    assert not worker.is_alive
    assert stops == ["test"]
    assert len(steps) == 2


@pytest.mark.parametrize("pauses", [True, False])
def test_whoever_wakes_it_does_not_end_a_pause(pauses: bool) -> None:
    steps: list[float] = []

    def step(now: float) -> float:
        steps.append(now)
        if pauses:
            worker.pause(60)
        return 0.01

    worker = Worker("test", step, on_failure=fail)
    worker.start()
    wait_until(lambda: steps, what="the first step")
    worker.wake()
    if not pauses:
        wait_until(lambda: len(steps) > 3, what="more steps")
    worker.stop(Deadline(10))
    assert not worker.is_alive
    assert (len(steps) == 1) == pauses


def test_an_error_ends_it_and_is_told() -> None:
    errors: list[BaseException] = []

    def step(_now: float) -> float:
        raise SystemExit("enough")

    worker = Worker("test", step, on_failure=errors.append)
    worker.start()
    wait_until(lambda: not worker.is_alive and errors, what="the end")
    assert [str(error) for error in errors] == ["enough"]


def test_one_that_was_never_started_can_be_stopped() -> None:
    Worker("test", lambda _now: 0, on_failure=fail).stop(Deadline(1))
