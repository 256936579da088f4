"""Keeps errors away from paho."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

log = logging.getLogger(__name__)

P = ParamSpec("P")


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """An exception in a callback would end paho's loop, so it is logged instead."""

    @wraps(function)
    def harmless(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            log.exception("an error while handling what the broker sent")

    return harmless
