"""The one kind of error that a person is meant to read."""

from __future__ import annotations


class MaskdError(Exception):
    """A problem outside the program: its text is one sentence that names the thing, the place and the remedy.

    Every command prints it without a traceback and ends with `exit_status`.
    """

    exit_status = 1


class UsageError(MaskdError):
    """The command line or the configuration is wrong; nothing was started."""

    exit_status = 2
