"""The pipe that carries the daemon's log, with a reader that can stop reading."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

SIZE = 4096
"""Bytes that the pipe holds, the least that Linux grants: it is soon full."""


class LogPipe:
    """Copies what is written to `writing` to the end of a file, from its own thread, until every writer has gone."""

    def __init__(self, path: Path, may_read: threading.Event) -> None:
        """Reads as long as `may_read` is set."""
        self._reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, SIZE)
        self._path = path
        self._may_read = may_read
        self._thread = threading.Thread(target=self._copy, name="log", daemon=True)
        self._thread.start()

    def started(self) -> None:
        """The daemon has its end."""
        os.close(self.writing)

    def finish(self) -> None:
        """The daemon has gone; waits until all that it wrote is in the file, unless nothing may be read."""
        if self._may_read.is_set():
            self._thread.join(10)

    def _copy(self) -> None:
        with self._path.open("ab", buffering=0) as file:
            while True:
                self._may_read.wait()
                data = os.read(self._reading, SIZE)
                if not data:
                    break
                file.write(data)
        os.close(self._reading)
