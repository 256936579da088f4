"""Where log lines go and how they look."""

from __future__ import annotations

import logging
import os
import sys
import threading
from types import TracebackType

from edge.masking import mask_url

_log = logging.getLogger(__name__)


class MaskingFormatter(logging.Formatter):
    """Passwords in addresses stay out of every line, of tracebacks and of other libraries' lines too."""

    def format(self, record: logging.LogRecord) -> str:
        return mask_url(super().format(record))


def configure_logging(level: str) -> None:
    """Lines on stderr, from `level` (debug, info, warning, error) on; the journal adds the time by itself."""
    in_journal = "JOURNAL_STREAM" in os.environ
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        MaskingFormatter("%(levelname)s: %(message)s" if in_journal else "%(asctime)s %(levelname)s: %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Python itself would print an address with its password.
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda arguments: _log_uncaught(
        arguments.exc_type, arguments.exc_value, arguments.exc_traceback
    )


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        _log.critical("an unexpected error; please report it:", exc_info=(kind, error, traceback))
