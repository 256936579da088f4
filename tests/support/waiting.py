"""Waiting for what a test needs."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 60.0
"""A busy machine leaves threads and commits waiting for seconds; only a test that fails waits so long."""


def wait_until(condition: Callable[[], object], what: str = "the condition", *, timeout: float = PATIENCE_S) -> None:
    """Returns as soon as `condition()` is true; fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout:g} s")
        time.sleep(0.01)
