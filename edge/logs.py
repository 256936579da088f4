"""Where log lines go and how they look."""

from __future__ import annotations

import logging
import os
import sys


def configure_logging(level: str) -> None:
    """Lines on stderr, from `level` (debug, info, warning, error) on; the journal adds the time by itself."""
    in_journal = "JOURNAL_STREAM" in os.environ
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(levelname)s: %(message)s" if in_journal else "%(asctime)s %(levelname)s: %(message)s",
        force=True,
    )
