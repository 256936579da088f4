"""`maskd check`: tries everything that the configuration names, changes nothing, and says what to mend."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

from edge.checks import accelerator, broker, cameras, clock, device, models, outbox, software, storage
from edge.checks.jobs import Job, Running, any_hangs, run_together
from edge.checks.row import Row, as_dict, as_table
from edge.config import Config
from edge.config_file import SEARCH_PATHS, find_config, load_config
from edge.errors import MaskdError

LIMIT_S = 10.0
"""For whatever has no longer limit of its own."""


def run_check(config_path: Path | None, *, as_json: bool = False) -> int:
    """Prints the outcome of every check; returns the exit status, 1 if any failed. Raises nothing of its own."""
    # What goes wrong stands in a row; logged as well, it would come between them.
    logging.getLogger("edge").addHandler(logging.NullHandler())
    rows = check(config_path)
    failed = any(row.result == "FAIL" for row in rows)
    if as_json:
        print(json.dumps({"ok": not failed, "version": version("maskd"), "checks": [as_dict(row) for row in rows]}))
    else:
        print(as_table(rows))
    status = 1 if failed else 0
    if any_hangs():
        # Python aborts where a thread returns from a camera's hanging read while the interpreter ends.
        sys.stdout.flush()
        os._exit(status)
    return status


def check(config_path: Path | None, root: Path = Path("/")) -> list[Row]:
    """Every check's outcome; takes up to a quarter of a minute where a camera or the broker does not answer. `root`:
    where the board's own files are, such as `proc` and `sys`."""
    configuration, config = _read_configuration(config_path)
    is_running = None if config is None else storage.is_in_use(config.storage.path)
    # The network is waited for while the processor is at work.
    network = Running([] if config is None or not config.mqtt.enabled else [_broker_job(config, is_running)])
    programs = run_together([_job("software", "numpy and OpenCV", partial(software.software_rows, config))])
    rows = [configuration, *programs]
    if config is None:
        rows += [Row("skipped", what, "needs the configuration") for what in ("models", "cameras", "broker", "storage")]
    else:
        has_opencv = any(row.what == "opencv" for row in programs)
        rows += _vision_rows(config, has_opencv=has_opencv, is_running=is_running is True)
        rows += _messaging_rows(config, network, is_running=is_running)
    board = _job("device", "this board", partial(device.device_rows, root, maskd_is_running=is_running is True))
    rows.append(clock.clock_row(time.time(), synchronized=clock.is_synchronized(root, clock.kernel_is_synchronized)))
    return [*rows, *run_together([board])]


def _read_configuration(path: Path | None) -> tuple[Row, Config | None]:
    used = path or find_config()
    try:
        config = load_config(used)
    except MaskdError as error:
        return Row("FAIL", "configuration", str(used), str(error)), None
    if used is None:
        places = " or ".join(str(place) for place in SEARCH_PATHS)
        return Row("ok", "configuration", f"no file at {places}: every setting has its default"), config
    return Row("ok", "configuration", str(used)), config


def _vision_rows(config: Config, *, has_opencv: bool, is_running: bool) -> Iterator[Row]:
    if not has_opencv:
        yield from (Row("skipped", what, "needs OpenCV") for what in ("runtime", "models", "cameras"))
        return
    yield from run_together([_job("runtime", config.runtime.backend, lambda: [software.runtime_row(config)])])
    yield from models.model_rows(config)
    if config.runtime.delegate is not None:
        yield from run_together(
            [
                _job(
                    "accelerator",
                    config.runtime.delegate,
                    lambda: [accelerator.accelerator_row(config, maskd_is_running=is_running)],
                    accelerator.TRIAL_S + 1,  # the trial ends by itself before
                )
            ]
        )
    yield from cameras.camera_rows(config, maskd_is_running=is_running)


def _messaging_rows(config: Config, network: Running, *, is_running: bool | None) -> Iterator[Row]:
    settings, path = config.storage, str(config.storage.path)
    local = Running(
        [
            _job("storage", path, lambda: [storage.check_storage(settings, is_running=is_running)]),
            _job("outbox", path, lambda: [outbox.outbox_row(settings.path / "outbox.db", is_running=is_running)]),
            _job("record", path, lambda: [outbox.record_row(settings)]),
        ]
    )
    told = network.rows()
    if not config.mqtt.enabled:
        told = [Row("skipped", "broker", "mqtt.enabled is false: events stay in the outbox on this device")]
    if not any(row.what == "daemon" for row in told):
        told += [
            broker.daemon_row(config, None, is_running=is_running),
            broker.homeassistant_row(config, None, is_running=is_running),
        ]
    yield from told
    yield from local.rows()


def _broker_job(config: Config, is_running: bool | None) -> Job:
    address = f"{config.mqtt.host}:{config.mqtt.port}"
    return _job("broker", address, partial(broker.broker_rows, config, is_running=is_running), broker.LIMIT_S)


def _job(what: str, detail: str, attempt: Callable[[], Iterable[Row]], limit_s: float = LIMIT_S) -> Job:
    too_slow = f"it did not come through within {limit_s:g} s; see whether {detail} answers, and what else runs here"
    return Job(what, detail, attempt, limit_s, too_slow)
