"""Where log lines go and how they look."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

from edge.daemon.log_handler import PatientHandler, take_without_waiting
from edge.system.masking import hide

STDERR = 2

_log = logging.getLogger(__name__)


_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Of syslog, see sd-daemon(3); what is less serious has 7, debug."""


class MaskingFormatter(logging.Formatter):
    """Secrets in addresses stay out of every line, of tracebacks and of other libraries' lines too."""

    def __init__(self, form: str, *, in_journal: bool = False) -> None:
        """`in_journal`: each line begins with its priority, such as <4>, which the journal takes off."""
        super().__init__(form)
        self.secrets: frozenset[str] = frozenset()
        """Hidden wherever they turn up; replaced by any thread."""
        self._in_journal = in_journal

    def format(self, record: logging.LogRecord) -> str:
        text = hide(super().format(record), self.secrets)
        if not self._in_journal:
            return text
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        # What Python takes for one line, the journal may not; and it takes each line for a message of its own.
        return "\n".join(f"<{priority}>{line}" for line in text.splitlines() or [""])


def goes_to_journal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether systemd has connected this stream to its journal: `JOURNAL_STREAM` then holds its device and inode."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def hide_secrets(secrets: frozenset[str]) -> None:
    """From now on these are in no line of the log, in whatever form a library repeats an address."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, MaskingFormatter):
            handler.formatter.secrets = secrets


def configure_logging(level: str) -> None:
    """Lines on stderr, from `level` (debug, info, warning, error) on; the journal adds the time by itself. A reader
    that does not read costs lines, never time."""
    in_journal = goes_to_journal(sys.stderr)
    form = "%(levelname)s: %(message)s" if in_journal else "%(asctime)s %(levelname)s: %(message)s"
    take_without_waiting(STDERR)
    handler = PatientHandler(STDERR)
    handler.setFormatter(MaskingFormatter(form, in_journal=in_journal))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Python itself would print an address with its password.
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda arguments: _log_uncaught(
        arguments.exc_type, arguments.exc_value, arguments.exc_traceback
    )


def write_waiting_lines() -> None:
    """Writes what a slow reader of the log has not yet taken; to be called now and then."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PatientHandler):
            handler.write_waiting()


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        _log.critical("an unexpected error; please report it:", exc_info=(kind, error, traceback))
