"""Processes that tests start."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import AnyStr


@contextmanager
def killed_at_the_end(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """Popen's own `with` waits: for ever, where a test fails before it has ended the process."""
    with process:
        try:
            yield process
        finally:
            process.kill()
