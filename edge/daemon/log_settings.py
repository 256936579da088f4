"""What the configuration says of the log."""

from __future__ import annotations

import logging

from edge.config import Config
from edge.daemon.logs import hide_secrets
from edge.system.part import Part


class LogSettings(Part):
    """The first part: no other one may name a secret before it is hidden."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()

    def apply(self, config: Config) -> None:
        logging.getLogger().setLevel(config.log_level.upper())
        # A camera that goes may still have something to say.
        self._secrets |= config.secrets
        hide_secrets(self._secrets)
