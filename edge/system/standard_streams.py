"""Standard input, output and error as a command finds them: closed, full, or with a reader that has gone."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDIN, STDOUT, STDERR = 0, 1, 2


class OutputError(Exception):
    """Stdout does not take what is printed. Not an OSError itself, which might be laid to a file that was read."""

    def __init__(self, reason: OSError) -> None:
        self.reason = reason


class _Output(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(error) from error


class StandardStreams:
    """Made once, before anything is opened.

    Those that are closed (`>&-`) are opened such that nothing can be written to them: otherwise the next file that is
    opened takes their place, and gets what was meant for the terminal.
    """

    def __init__(self) -> None:
        for descriptor in (STDIN, STDOUT, STDERR):
            try:
                os.fstat(descriptor)
            except OSError:
                os.open(os.devnull, os.O_RDONLY)  # takes the lowest number that is free
        if sys.stdout is None or sys.stdout is sys.__stdout__:  # else a test has put its own there
            sys.stdout = _text(_Output(STDOUT, "w", closefd=False), sys.stdout)
        if sys.stderr is None:
            sys.stderr = _text(io.FileIO(STDERR, "w", closefd=False), None)
        if isinstance(sys.stderr, io.TextIOWrapper):
            # A file name may contain bytes that are not text; it is shown escaped instead of ending the program.
            sys.stderr.reconfigure(errors="backslashreplace")

    def flush(self) -> None:
        """Raises OutputError."""
        try:
            sys.stderr.flush()
        except OSError:
            _discard(STDERR)
        sys.stdout.flush()

    def complain(self, text: str) -> None:
        """A line on stderr; where that takes none it is dropped."""
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:
            _discard(STDERR)

    def give_up_output(self) -> None:
        """What Python would flush at exit goes nowhere."""
        _discard(STDOUT)


def _text(raw: io.RawIOBase, like: TextIO | None) -> io.TextIOWrapper:
    is_terminal = os.isatty(raw.fileno())
    encoding = "utf-8" if like is None else like.encoding
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=is_terminal,
        write_through=isinstance(like, io.TextIOWrapper) and like.write_through,
    )


def _discard(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
