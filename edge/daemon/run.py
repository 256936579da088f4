"""`maskd run`: the process around the daemon."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path

from edge.config import Config
from edge.daemon.daemon import Daemon
from edge.daemon.logs import configure_logging, hide_secrets
from edge.daemon.signals import HangupSignal, StopSignals
from edge.daemon.stop_guard import StopGuard
from edge.store.state_files import require_own_files
from edge.vision.accelerator import Accelerator


def run(config: Config, path: Path | None = None) -> int:
    """Runs until SIGTERM, SIGINT or the end of every source, and ends the process. `path`: the configuration's file.
    Returns 0 where a signal came before there was anything to be stopped.

    Raises MaskdError where a part cannot start, or fails in a way that a restart may fix.
    """
    configure_logging(config.log_level)
    hide_secrets(config.secrets)
    with ExitStack() as stack:
        guard = stack.enter_context(StopGuard())
        stops = stack.enter_context(StopSignals())
        hangups = stack.enter_context(HangupSignal())
        require_own_files(config.storage.path)
        accelerator = stack.enter_context(Accelerator(config))
        try:
            daemon = Daemon(config, path, accelerator, guard)
        except Exception:
            if stops.came_early:
                return 0  # what the signal interrupted has taken its SystemExit for a fault of its own
            raise
        stops.tell(daemon.stop)
        hangups.tell(daemon.reload)
        daemon.run()
    # All is done. Python's own end would take as long as its libraries like, and aborts where a thread returns from a
    # read that hung.
    logging.shutdown()
    os._exit(daemon.exit_status)
