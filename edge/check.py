"""`maskd check`: tries everything that the configuration names, changes nothing, and says what to mend."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import json
import os
import pwd
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from edge.accelerator import Accelerator, without_delegate
from edge.accelerator_trial import try_delegate
from edge.board import temperature_c
from edge.config import CameraSettings, Config, MqttSettings, StorageSettings
from edge.config_file import SEARCH_PATHS, find_config, load_config
from edge.errors import MaskdError
from edge.live_settings import require_a_camera
from edge.masking import mask_url
from edge.messaging.commands import commands_enabled
from edge.messaging.mqtt import check_broker

# OpenCV, numpy and what is built on them are imported where they are tried: that they import at all is to be found out.

FRAME_TIMEOUT_S = 10.0
_GRACE_S = 1.0
"""A stream that gives up by itself at the same moment says why."""
EARLIEST_YEAR = 2024
LATEST_YEAR = 2100
HOT_C = 80.0
"""A Raspberry Pi slows down from here on."""
LEAST_FREE_BYTES = 20_000_000
_TESTED = {"Python": ((3, 10), (3, 14)), "numpy": ((1, 24), (3, 0)), "OpenCV": ((4, 9), (6, 0))}
"""From the first of the two versions up to, and without, the second."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one check."""

    result: Literal["ok", "FAIL", "warn", "skipped"]
    what: str
    detail: str
    problem: str | None = None
    """With a FAIL or a warn: what is wrong and how to mend it."""


def run_check(config_path: Path | None, *, as_json: bool = False) -> int:
    """Prints the outcome of every check; returns the exit status, 1 if any failed. Raises nothing of its own."""
    rows = check(config_path)
    failed = sum(row.result == "FAIL" for row in rows)
    if as_json:
        print(json.dumps({"ok": not failed, "checks": [dataclasses.asdict(row) for row in rows]}))
    else:
        print(as_table(rows))
    status = 1 if failed else 0
    if any(thread.name.startswith(_THREAD_PREFIX) for thread in threading.enumerate()):
        # Python aborts where a thread returns from a camera's hanging read while the interpreter ends.
        sys.stdout.flush()
        os._exit(status)
    return status


def check(config_path: Path | None) -> list[Row]:
    """Every check's outcome; takes up to half a minute where a camera or the broker does not answer."""
    configuration, config = _read_configuration(config_path)
    software = _guarded("software", "numpy and OpenCV", _try_software)
    rows = [configuration, software]
    if config is None:
        rows += [Row("skipped", what, "needs the configuration") for what in ("models", "cameras", "broker", "storage")]
    else:
        rows += _check_device(config, has_opencv=software.result != "FAIL")
    return [*rows, clock_row(time.time()), _temperature_row(temperature_c())]


def as_table(rows: list[Row]) -> str:
    """Columns result, what and detail; a problem stands below its row."""
    width = max(len(row.what) for row in rows)
    lines = [f"{'result':<8} {'what':<{width}} detail"]
    for row in rows:
        lines.append(f"{row.result:<8} {row.what:<{width}} {row.detail}")
        lines += [f"{'':<8} {line}" for line in (row.problem or "").splitlines()]
    counts = {result: sum(row.result == result for row in rows) for result in ("ok", "warn", "FAIL", "skipped")}
    summary = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    return "\n".join([*lines, "", summary])


def _check_device(config: Config, *, has_opencv: bool) -> Iterator[Row]:
    in_use = _is_in_use(config.storage.path)
    if has_opencv:
        yield _guarded("runtime", config.runtime.backend, lambda: _try_runtime(config))
        on_cpu = without_delegate(config)
        yield _guarded("detector", config.detector.model, lambda: _try_detector(on_cpu))
        yield _guarded("classifier", config.classifier.model, lambda: _try_classifier(on_cpu))
        if (delegate := config.runtime.delegate) is not None:
            yield _guarded("accelerator", delegate, lambda: _try_accelerator(config, delegate, in_use=in_use))
        yield from _check_cameras(config.cameras, maskd_is_running=in_use)
        yield from _check_that_some_are_on(config)
    else:
        yield from (Row("skipped", what, "needs OpenCV") for what in ("runtime", "models", "cameras"))
    yield _check_broker(config.mqtt, config.device)
    yield _guarded("storage", str(config.storage.path), lambda: _try_storage(config.storage, in_use=in_use))


def _guarded(what: str, detail: str, attempt: Callable[[], Row]) -> Row:
    """The attempt's row; where it raises, a failure of `detail`."""
    try:
        return attempt()
    except MaskdError as error:
        return Row("FAIL", what, detail, mask_url(str(error)))
    except Exception as error:  # noqa: BLE001 - a check that trips over the unforeseen still reports it in its row
        reason = mask_url(" ".join(str(error).split()))
        return Row("FAIL", what, detail, f"an unexpected error ({type(error).__name__}: {reason}); please report it")


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


def _try_software() -> Row:
    """That Python, numpy and OpenCV work together."""
    import numpy as np

    try:
        # A module that was built for another numpy prints a traceback of its own; the error says enough.
        with contextlib.redirect_stderr(io.StringIO()):
            import cv2
        cv2.cvtColor(np.zeros((2, 2, 3), np.uint8), cv2.COLOR_BGR2RGB)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise MaskdError(
            f"OpenCV does not work with numpy {np.__version__} ({reason}); pip install opencv-python-headless, "
            "or 'numpy<2' where the system's OpenCV was built for numpy 1"
        ) from error
    versions = {"Python": sys.version.split()[0], "numpy": np.__version__, "OpenCV": cv2.__version__}
    problem = untested(versions)
    return Row("warn" if problem else "ok", "software", ", ".join(f"{n} {v}" for n, v in versions.items()), problem)


def untested(versions: Mapping[str, str]) -> str | None:
    """A sentence about the versions, by name, that maskd is not made for; None where there are none."""
    strange = []
    for name, version in versions.items():
        first, behind = _TESTED[name]
        major_minor = tuple(int(part) for part in version.split(".")[:2])
        if not first <= major_minor < behind:
            strange.append(f"{name} {version} (made for {_dotted(first)} or newer, but older than {_dotted(behind)})")
    return f"it may not work with {', '.join(strange)}; install such a version" if strange else None


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _try_runtime(config: Config) -> Row:
    from edge.vision.tflite import runtime_name

    return Row("ok", "runtime", f"{runtime_name(config.runtime.backend)}, {config.runtime.threads} thread(s)")


def _try_detector(config: Config) -> Row:
    """Finds, compares with its manifest, loads and runs it."""
    import numpy as np

    from edge.vision.build import build_detector

    started = time.perf_counter()
    detector = build_detector(config)
    detector.detect(np.zeros((720, 1280, 3), np.uint8), 0.5)
    return Row("ok", "detector", f"{detector.identity}, {_loaded_and_ran(started)}")


def _try_classifier(config: Config) -> Row:
    import numpy as np

    from edge.geometry import Box
    from edge.vision.build import build_classifier
    from edge.vision.masks import UNKNOWN

    started = time.perf_counter()
    classifier = build_classifier(config)
    classifier.classify(np.zeros((128, 128, 3), np.uint8), [Box(32, 32, 96, 96)])
    detail = f"{classifier.identity}, {_loaded_and_ran(started)}"
    if strangers := [s for s in config.compliance.compliant if s not in (*classifier.labels, UNKNOWN)]:
        problem = (
            f"compliance.compliant lists {', '.join(strangers)}, which this model never says; "
            f"its labels are {', '.join(classifier.labels)}"
        )
        return Row("warn", "classifier", detail, problem)
    return Row("ok", "classifier", detail)


def _loaded_and_ran(started: float) -> str:
    return f"loaded and ran on a blank picture in {(time.perf_counter() - started) * 1000:.0f} ms"


def _try_accelerator(config: Config, delegate: str, *, in_use: bool) -> Row:
    """Where it works, whatever maskd has counted against it is forgotten."""
    accelerator = Accelerator(config)
    if in_use and not accelerator.is_given_up:
        detail = f"{delegate}, in use by the maskd that is running, which another program would disturb"
        return Row("skipped", "accelerator", detail)
    trial = try_delegate(config)
    if trial.problems:
        return Row("warn", "accelerator", delegate, "\n".join(trial.problems))
    accelerator.forgive()
    detail = f"{delegate} loaded both models and ran them on a blank picture in {trial.elapsed_ms:.0f} ms"
    return Row("ok", "accelerator", detail)


_THREAD_PREFIX = "check-"


def _check_cameras(cameras: Mapping[str, CameraSettings], *, maskd_is_running: bool) -> Iterator[Row]:
    """All cameras at the same time; a read that hangs leaves its thread behind."""
    rows: dict[str, Row] = {}
    threads = {
        name: threading.Thread(
            target=_try_camera, args=(name, settings, rows), name=f"{_THREAD_PREFIX}{name}", daemon=True
        )
        for name, settings in cameras.items()
        if settings.enabled and settings.source != "demo"
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + FRAME_TIMEOUT_S + _GRACE_S
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    for name, settings in cameras.items():
        what, source = f"camera {name}", mask_url(settings.source)
        if not settings.enabled:
            yield Row("skipped", what, "enabled: false")
        elif name not in threads:
            yield Row("skipped", what, "the built-in clip, which is made when it is first played")
        else:
            problem = f"no picture came within {FRAME_TIMEOUT_S:g} s; check the camera, its cable and the network"
            row = rows.get(name) or Row("FAIL", what, source, problem)
            if row.result == "FAIL" and maskd_is_running and _is_device(settings.source):
                explained = f"{row.problem}; or the maskd that is running has it, which is as it should be"
                row = dataclasses.replace(row, result="warn", problem=explained)
            yield row


def _check_that_some_are_on(config: Config) -> Iterator[Row]:
    try:
        require_a_camera(config, commands=config.mqtt.enabled and commands_enabled(config.mqtt))
    except MaskdError as error:
        yield Row("FAIL", "cameras", "none is enabled", str(error))
    else:
        if not any(settings.enabled for settings in config.cameras.values()):
            yield Row("warn", "cameras", "none is enabled", "maskd waits until one is switched on by a command")


def _try_camera(name: str, settings: CameraSettings, rows: dict[str, Row]) -> None:
    """Puts the camera's row into `rows` as soon as it is known."""
    from edge.camera import open_camera

    what, source = f"camera {name}", mask_url(settings.source)

    def attempt() -> Row:
        started = time.monotonic()
        camera = open_camera(name, settings)
        try:
            camera.open()
            frame = camera.read()
            if frame is None:
                raise MaskdError(f"{camera.describe()} has no picture; check `source` of camera {name}")
            height, width = frame.image.shape[:2]
            seconds = time.monotonic() - started
            row = Row("ok", what, f"{camera.describe()}, {width} x {height} pixels, after {seconds:.1f} s")
            rows[name] = row  # before closing, which can hang as well
            return row
        finally:
            camera.close()

    row = _guarded(what, source, attempt)
    rows.setdefault(name, row)


def _is_device(source: str) -> bool:
    """Whether only one program at a time can read it."""
    return source in ("auto", "picamera") or source.isdigit() or source.startswith(("/dev/", "csi"))


def _check_broker(settings: MqttSettings, device: str) -> Row:
    if not settings.enabled:
        return Row("skipped", "broker", "mqtt.enabled is false: events stay in the outbox on this device")
    address = f"{settings.host}:{settings.port}"

    def attempt() -> Row:
        username, warnings = check_broker(settings, device)
        user = "" if username is None else f" as {username}"
        tls = "" if settings.tls is None else " and TLS"
        detail = f"{address} lets maskd in{user}, with MQTT {settings.protocol}{tls}"
        return Row("warn" if warnings else "ok", "broker", detail, "\n".join(warnings) or None)

    return _guarded("broker", address, attempt)


def _is_in_use(folder: Path) -> bool:
    """Whether a running maskd holds the outbox there."""
    try:
        with (folder / "outbox.lock").open("rb") as file:
            # Shared, so that it needs no right to write; given back at once, for a daemon that starts right now.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _try_storage(settings: StorageSettings, *, in_use: bool) -> Row:
    folder, user = settings.path, _user()
    # os.access, since Path.exists() raises below a folder that may not be entered.
    there = next(place for place in (folder, *folder.absolute().parents) if os.access(place, os.F_OK))
    if not there.is_dir():
        raise MaskdError(f"{there} is no folder, so the outbox cannot be there; correct storage.path")
    if not os.access(there, os.W_OK | os.X_OK):
        raise MaskdError(
            f"{there} may not be written by {user}; run this check as the daemon's user, "
            f"give {user} the right to write there, or set storage.path to another folder"
        )
    files = [folder / name for name in ("outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.lock", "seq")]
    files = [file for file in files if file.exists()]
    for file in files:
        if not os.access(file, os.R_OK | os.W_OK):
            raise MaskdError(f"{file} may not be written by {user}; give it to that user: sudo chown {user} {file}")
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise MaskdError(f"the disk of {there} has only {_megabytes(free)} free; free some space there")
    state = "in use by a maskd that is running" if in_use else f"writable by {user}"
    if there != folder:
        state = f"not there yet; {user} may make it"
    detail = f"{folder}, {state}, {_megabytes(free)} free"
    room = free + sum(file.stat().st_size for file in files)
    if room < settings.max_bytes:
        problem = (
            f"the outbox may grow to {_megabytes(settings.max_bytes)}, for which the disk has no room; "
            "free some space there, or lower storage.max_bytes"
        )
        return Row("warn", "storage", detail, problem)
    return Row("ok", "storage", detail)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's number without a name
        return str(os.getuid())


def _megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def clock_row(now: float) -> Row:
    """`now`: seconds since 1970. A board without a battery starts in the past until it reaches a time server."""
    moment = datetime.fromtimestamp(now, timezone.utc)
    detail = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    if EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        return Row("ok", "clock", detail)
    problem = "events would carry this date, and TLS refuse it; connect a time server: sudo timedatectl set-ntp true"
    return Row("FAIL", "clock", detail, problem)


def _temperature_row(celsius: float | None) -> Row:
    if celsius is None:
        return Row("skipped", "temperature", "this board does not tell")
    if celsius < HOT_C:
        return Row("ok", "temperature", f"{celsius:.0f} °C")
    return Row("warn", "temperature", f"{celsius:.0f} °C", "the board slows itself down when so hot; give it a cooler")
