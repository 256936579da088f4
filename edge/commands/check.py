"""`maskd check`: tries everything that the configuration names, changes nothing, and says what to fix."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from edge.checks import (
    accelerator,
    broker,
    cameras,
    clock,
    device,
    models,
    outbox,
    outputs,
    snapshots,
    software,
    storage,
)
from edge.checks.jobs import Job, Running, any_hangs, run_together
from edge.checks.row import Row, as_dict, as_table, judged
from edge.config import Config
from edge.config.file import SEARCH_PATHS, find_config, load_config
from edge.config.show import in_effect
from edge.control.local_door import ask
from edge.errors import MaskdError
from edge.payloads.topics import Topics
from edge.store.folder_lock import is_locked
from edge.system.arguments import add_config
from edge.system.masking import hide

HEALTH_S = 5.0
"""For the daemon to answer."""
LIMIT_S = 10.0
"""For whatever has no longer limit of its own."""


DESCRIPTION = (
    "Tries everything that the configuration names, without changing anything; the exit status is 1 if anything fails."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--health",
        action="store_true",
        help="only ask the running daemon whether it works, for the health check of a container: one sentence, and "
        "status 0 or 1",
    )
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    return run_health(args.config) if args.health else run_check(args.config, as_json=args.json)


def run_health(config_path: Path | None) -> int:
    """Prints in one sentence whether the daemon works, which an absent camera or broker does not change; returns 1
    where it does not, and where none answers."""
    try:
        problem = ask(load_config(config_path or find_config()), "health", patience_s=HEALTH_S).get("problem")
    except MaskdError as error:
        problem = str(error)
    print(problem or "maskd works")
    return 1 if problem else 0


def run_check(config_path: Path | None, *, as_json: bool = False) -> int:
    """Prints the outcome of every check; returns the exit status, 1 if any failed. Raises nothing of its own."""
    # Errors are rows; log lines would appear between them.
    logging.getLogger("edge").addHandler(logging.NullHandler())
    rows = check(config_path)
    failed = any(row.result == "FAIL" for row in rows)
    if as_json:
        print(
            json.dumps(
                {"ok": not failed, "version": software.version_of("maskd"), "checks": [as_dict(row) for row in rows]}
            )
        )
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
    is_running = None if config is None else is_locked(config.storage.path)
    # The network is waited for while the processor is at work.
    visits: list[broker.Visit] = []
    network = Running([] if config is None else [*_network_jobs(config, visits)])
    programs = run_together([_job("software", "numpy and OpenCV", partial(software.software_rows, config))])
    rows = [configuration, *programs]
    if config is None:
        rows += [Row("skipped", what, "needs the configuration") for what in ("models", "cameras", "broker", "storage")]
    else:
        has_opencv = any(row.what == "opencv" for row in programs)
        rows += _vision_rows(config, has_opencv=has_opencv, is_running=is_running is True)
        found = network.rows()
        if not config.mqtt.enabled:
            rows.append(_broker_is_off())
        rows += [*found, *outputs.unused_rows(config)]
        rows += _messaging_rows(config, visits[0] if visits else None, is_running=is_running)
        rows = [_without(config.secrets, row) for row in rows]
    return rows + _board_rows(root, is_running=is_running is True)


def _network_jobs(config: Config, visits: list[broker.Visit]) -> Iterator[Job]:
    if config.mqtt.enabled:
        yield _broker_job(config, visits)
    yield from outputs.output_jobs(config)


def _without(secrets: frozenset[str], row: Row) -> Row:
    problem = None if row.problem is None else hide(row.problem, secrets)
    return dataclasses.replace(row, detail=hide(row.detail, secrets), problem=problem)


def _read_configuration(path: Path | None) -> tuple[Row, Config | None]:
    used = path or find_config()
    try:
        config = load_config(used)
    except MaskdError as error:
        return Row("FAIL", "configuration", str(used), str(error)), None
    places = " or ".join(str(place) for place in SEARCH_PATHS)
    detail = f"no file at {places}: every setting has its default" if used is None else str(used)
    config, notes = in_effect(config, used)
    return judged("configuration", detail, warnings=notes), config


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
    yield from run_together([_job("cameras", "all of them", partial(cameras.none_is_on, config))])


def _messaging_rows(config: Config, visit: broker.Visit | None, *, is_running: bool | None) -> list[Row]:
    """`visit` None: the broker could not be asked."""
    settings, path = config.storage, str(config.storage.path)
    return run_together(
        [
            _job("daemon", config.device, lambda: [broker.daemon_row(config, visit, is_running=is_running)]),
            _job(
                "home assistant",
                config.device,
                lambda: [broker.homeassistant_row(config, visit, is_running=is_running)],
            ),
            _job("storage", path, lambda: [storage.check_storage(settings, is_running=is_running)]),
            _job("outbox", path, lambda: [outbox.outbox_row(settings.path / "outbox.db", is_running=is_running)]),
            _job("record", path, lambda: [outbox.record_row(settings)]),
            _job("snapshots", path, lambda: [_snapshots_row(config)]),
        ]
    )


def _snapshots_row(config: Config) -> Row:
    folder = next(place for place in (config.storage.path, *config.storage.path.absolute().parents) if place.exists())
    return snapshots.snapshots_row(config, free_bytes=storage.filesystem_of(folder).free_bytes)


def _board_rows(root: Path, *, is_running: bool) -> list[Row]:
    def keep_time() -> Iterator[Row]:
        synchronized = clock.is_synchronized(root, clock.kernel_is_synchronized)
        yield clock.clock_row(time.time(), synchronized=synchronized)

    board = partial(device.device_rows, root, maskd_is_running=is_running)
    return run_together([_job("clock", "this device", keep_time), _job("device", "this board", board)])


def _broker_job(config: Config, visits: list[broker.Visit]) -> Job:
    """Puts what was seen at the broker into `visits`, where it let us in."""

    def visit() -> Iterator[Row]:
        visits.append(broker.visit_broker(config))
        yield broker.broker_row(config.mqtt, visits[0], Topics(config.mqtt.prefix, config.device))

    return _job("broker", f"{config.mqtt.host}:{config.mqtt.port}", visit, broker.LIMIT_S)


def _broker_is_off() -> Row:
    return Row("skipped", "broker", "mqtt.enabled is false: events stay in the outbox on this device")


def _job(what: str, detail: str, attempt: Callable[[], Iterable[Row]], limit_s: float = LIMIT_S) -> Job:
    too_slow = f"timed out after {limit_s:g} s; check that {detail} answers, and what else runs on this device"
    return Job(what, detail, attempt, limit_s, too_slow)
