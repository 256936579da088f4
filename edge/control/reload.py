"""config.yaml read again while maskd runs, and what a person is told of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from edge.config import Config, MqttSettings
from edge.config.file import load_config
from edge.errors import MaskdError, UsageError
from edge.mqtt.login import read_login
from edge.mqtt.tls import tls_context

log = logging.getLogger(__name__)


def read_again(path: Path | None, running: Config) -> Config:
    """What the file says now; `path` None: there is none. Raises MaskdError, whose text lists every problem."""
    if path is None:
        raise UsageError(
            "maskd was started without a configuration file, so there is nothing to reload; restart it with one"
        )
    config = load_config(path)
    if config.mqtt.enabled and config.mqtt != running.mqtt:
        _require_usable_files(config.mqtt)
    return config


def _require_usable_files(settings: MqttSettings) -> None:
    """At a start they may be missing, and are tried for ever; here a connection that works would be given up."""
    read_login(settings)
    if settings.tls is not None:
        tls_context(settings.tls)


class ReloadNews:
    """What the latest reload has left for a person to look after."""

    def __init__(self) -> None:
        self._sentences: tuple[str, ...] = ()
        self._brief: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences for the status; from any thread."""
        return self._sentences

    @property
    def brief(self) -> tuple[str, ...]:
        """The same for a line that is short of room; from any thread."""
        return self._brief

    def taken_over(self, path: Path, waiting: Sequence[str]) -> None:
        """`waiting`: names of settings that take effect with the next restart."""
        log.info("%s was reloaded and is in effect", path)
        self._sentences, self._brief = (), ()
        if waiting:
            names = ", ".join(waiting)
            sentence = f"these changes in {path} take effect at the next restart: {names}"
            log.warning("%s", sentence)
            self._sentences, self._brief = (sentence,), (f"restart for {names}",)

    def refused(self, path: Path | None, error: MaskdError) -> None:
        """All goes on as before."""
        log.error(("the configuration was rejected, and maskd keeps the previous one:\n%s"), error)
        if path is None:
            return
        self._sentences = (f"{path} is not in effect; correct it and reload maskd: {_first(error, path)}",)
        self._brief = (f"{path} has an error and is not in effect",)


def _first(error: MaskdError, path: Path) -> str:
    """The first problem of a report that may be long."""
    first, *rest = str(error).splitlines()
    more = sum(line.startswith(f"{path}:") for line in rest)
    return f"{first} (and {more} more, see the log)" if more else first
