"""Keeps errors away from paho."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from edge.system.rate_limit import PerMinute

log = logging.getLogger(__name__)

TRACES_PER_MINUTE = 5
P = ParamSpec("P")
_traces = PerMinute(TRACES_PER_MINUTE)


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """An exception in a callback would end paho's loop, so it is logged instead, a few times a minute at most: what the
    broker sends must not fill the log."""

    @wraps(function)
    def harmless(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            if _traces.admits(time.monotonic()):
                log.exception("an error while handling what the broker sent")

    return harmless
