"""The one kind of error that a person is meant to read."""

from __future__ import annotations

from edge.system.printable import lines


class MaskdError(Exception):
    """A problem outside the program: its text is one sentence that names the thing, the place and the remedy.

    Every command prints it without a traceback and ends with `exit_status`.
    """

    exit_status = 1

    def __str__(self) -> str:
        """Fit for a terminal: names of files in it may hold anything."""
        return lines(super().__str__())


class UsageError(MaskdError):
    """The command line or the configuration is wrong; nothing was started."""

    exit_status = 2
