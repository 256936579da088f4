"""Makes a report of what a device keeps. Reads files alone; needs no daemon and no broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from edge.config import Config
from edge.errors import MaskdError
from edge.report.report import Report, make_report
from edge.report.visits import Visit, visits
from edge.store.uptime import spans
from edge.system.time_zone import device_zone

AGGREGATE = "privacy is aggregate, so no report is made of the visits of single people"


def report_of(config: Config, begin: float, end: float, *, pause_s: float = 0.0) -> Report:
    """`begin`, `end`: in seconds since 1970. `pause_s`: after each hundredth visit, so that a daemon that makes a
    report in passing does not delay its other threads. Raises MaskdError."""
    if config.privacy == "aggregate":
        raise MaskdError(AGGREGATE)
    zone, zone_name = device_zone()
    storage = config.storage.path
    try:
        return make_report(
            _gently(storage, begin, end, pause_s),
            spans(storage, begin),
            list(config.cameras),
            device=config.device,
            begin=begin,
            end=end,
            zone=zone,
            zone_name=zone_name,
        )
    except PermissionError:
        raise MaskdError(f"this user may not read the record in {storage}; run: sudo -u maskd maskd report") from None
    except OSError as error:
        raise MaskdError(
            f"the record in {storage} cannot be read: {error.strerror or error}; check that disk"
        ) from None


def _gently(storage: Path, begin: float, end: float, pause_s: float) -> Iterator[Visit]:
    for number, visit in enumerate(visits(storage, begin, end)):
        yield visit
        if pause_s and number % 100 == 0:
            time.sleep(pause_s)
