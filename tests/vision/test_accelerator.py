"""Delegates that refuse, fail, hang and end the process: the models run on the CPU then, and maskd says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.checks.accelerator import accelerator_row as accelerator_check
from edge.checks.row import Row
from edge.commands.check import check
from edge.config import Config
from edge.errors import MaskdError
from edge.vision.accelerator import (
    MOST_ABORTS,
    PROVEN_S,
    RETRY_S,
    Accelerator,
    Starts,
    StartsFile,
    counted,
    may_use_delegate,
)
from edge.vision.accelerator_trial import try_delegate
from edge.vision.delegate import DelegateError, edgetpu_is_there
from tests.support.delegates import fake_delegate
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.pictures import numbered, write_video
from tests.support.waiting import wait_until

Statuses = Callable[[], list[dict[str, Any]]]
"""The status messages so far."""

NOW = 1_800_000_000.0


def config_with(folder: Path, delegate: Path | str | None, **options: str) -> Config:
    runtime = {} if delegate is None else {"delegate": str(delegate), "delegate_options": options}
    return Config.model_validate({"storage": {"path": str(folder)}, "runtime": {"threads": 1, **runtime}})


def test_the_fourth_start_in_a_row_is_on_the_cpu() -> None:
    starts = None
    for _ in range(MOST_ABORTS):
        assert may_use_delegate(starts, "a", NOW)
        starts = counted(starts, "a", NOW)
    assert not may_use_delegate(starts, "a", NOW)
    assert not may_use_delegate(starts, "a", NOW + RETRY_S - 1)


def test_one_more_try_after_a_day_and_again_a_day_later() -> None:
    given_up = Starts(settings="a", unfinished=MOST_ABORTS, last=NOW)
    assert may_use_delegate(given_up, "a", NOW + RETRY_S)
    again = counted(given_up, "a", NOW + RETRY_S)
    assert not may_use_delegate(again, "a", NOW + RETRY_S + 60)
    assert may_use_delegate(again, "a", NOW + 2 * RETRY_S)


def test_a_clock_that_was_wrong_does_not_lock_the_delegate_out() -> None:
    in_2099 = Starts(settings="a", unfinished=MOST_ABORTS, last=4_070_908_800)
    assert may_use_delegate(in_2099, "a", NOW)
    assert not may_use_delegate(Starts(settings="a", unfinished=MOST_ABORTS, last=NOW), "a", NOW - 3600)


def test_other_settings_begin_anew() -> None:
    given_up = Starts(settings="a", unfinished=MOST_ABORTS, last=NOW)
    assert may_use_delegate(given_up, "b", NOW)
    assert counted(given_up, "b", NOW).unfinished == 1


def begun(config: Config, times: int) -> None:
    """So many starts that were cut off."""
    for number in range(times):
        assert Accelerator(config).begin(NOW + number, 0).problem is None


def unfinished(folder: Path) -> int:
    path = folder / "accelerator.json"
    return int(json.loads(path.read_text())["unfinished"]) if path.exists() else 0


def test_without_a_delegate_nothing_is_written(tmp_path: Path) -> None:
    config = config_with(tmp_path / "storage", None)
    with Accelerator(config) as accelerator:
        assert accelerator.begin(NOW, 0).config is config
    assert not (tmp_path / "storage").exists()


def test_starts_are_counted_in_the_file_and_the_cpu_takes_over(tmp_path: Path) -> None:
    config = config_with(tmp_path / "storage", "edgetpu")
    begun(config, MOST_ABORTS)
    assert unfinished(tmp_path / "storage") == MOST_ABORTS
    with Accelerator(config) as accelerator:
        verdict = accelerator.begin(NOW + 60, 0)
        accelerator.ran(PROVEN_S)
    assert verdict.config.runtime.delegate is None
    assert verdict.config.runtime.threads == 1
    assert verdict.problem is not None
    assert "abruptly 3 times in a row while the Edge TPU was in use" in verdict.problem
    assert "run `maskd check`" in verdict.problem
    assert unfinished(tmp_path / "storage") == MOST_ABORTS, "a run on the CPU proves nothing"


@pytest.mark.parametrize("error", [None, MaskdError("no camera"), KeyboardInterrupt()])
def test_an_end_in_order_strikes_the_start_off(tmp_path: Path, error: BaseException | None) -> None:
    config = config_with(tmp_path, "edgetpu")
    begun(config, 2)
    try:
        with Accelerator(config) as accelerator:
            accelerator.begin(NOW, 0)
            assert unfinished(tmp_path) == 3
            if error is not None:
                raise error
    except (MaskdError, KeyboardInterrupt):
        pass
    assert unfinished(tmp_path) == 0


def test_an_error_of_the_delegate_counts_like_an_abort(tmp_path: Path) -> None:
    config = config_with(tmp_path, "edgetpu")
    accelerator = Accelerator(config)
    accelerator.begin(NOW, 0)
    with pytest.raises(DelegateError), accelerator:
        raise DelegateError("the Edge TPU failed on a picture")
    assert unfinished(tmp_path) == 1


def test_a_run_that_lasts_strikes_the_start_off(tmp_path: Path) -> None:
    accelerator = Accelerator(config_with(tmp_path, "edgetpu"))
    accelerator.begin(NOW, 1000)
    accelerator.ran(1000 + PROVEN_S - 1)
    assert unfinished(tmp_path) == 1
    accelerator.ran(1000 + PROVEN_S)
    assert unfinished(tmp_path) == 0


def test_a_change_of_the_models_or_the_delegate_tries_anew(tmp_path: Path) -> None:
    config = config_with(tmp_path, "edgetpu")
    begun(config, MOST_ABORTS)
    for changed in (
        config_with(tmp_path, "edgetpu", device="usb:1"),
        config.model_copy(update={"detector": config.detector.model_copy(update={"model": "face-detector-far"})}),
    ):
        assert Accelerator(changed).begin(NOW + 5, 0).problem is None
    threshold = config.detector.model_copy(update={"min_score": 0.9})
    begun(config, MOST_ABORTS)
    assert Accelerator(config.model_copy(update={"detector": threshold})).begin(NOW + 5, 0).problem is not None


@pytest.mark.parametrize("content", [b"", b"{", b'{"settings": "a", "unfinished": -4, "last": 0}', b"\xff" * 1000])
def test_a_damaged_file_is_written_anew(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "accelerator.json").write_bytes(content)
    begun(config_with(tmp_path, "edgetpu"), 1)
    assert unfinished(tmp_path) == 1
    assert "it is damaged; it restarts at 0" in caplog.text


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "storage").write_text("a file where the folder should be")
    with Accelerator(config_with(tmp_path / "storage", "edgetpu")) as accelerator:
        assert accelerator.begin(NOW, 0).problem is None
    assert "the start cannot be counted in" in caplog.text
    StartsFile(tmp_path / "storage" / "accelerator.json").clear()
    assert "delete that file" in caplog.text


def test_an_edge_tpu_is_seen_on_usb_and_pcie(tmp_path: Path) -> None:
    assert not edgetpu_is_there(tmp_path)
    device = tmp_path / "sys/bus/usb/devices/2-1"
    device.mkdir(parents=True)
    (device / "idVendor").write_text("18d1\n")
    (device / "idProduct").write_text("4ee7\n")
    assert not edgetpu_is_there(tmp_path), "a telephone of the same vendor"
    (device / "idProduct").write_text("9302\n")
    assert edgetpu_is_there(tmp_path)
    (tmp_path / "pcie/dev").mkdir(parents=True)
    (tmp_path / "pcie/dev/apex_0").touch()
    assert edgetpu_is_there(tmp_path / "pcie")


def test_a_trial_of_a_delegate_that_works(tmp_path: Path) -> None:
    trial = try_delegate(config_with(tmp_path, fake_delegate(tmp_path)))
    assert trial.problems == []
    assert trial.elapsed_ms > 0


def test_a_trial_survives_an_abort_and_a_hang(tmp_path: Path) -> None:
    library = fake_delegate(tmp_path)
    with pytest.raises(MaskdError, match=r"libfake\.so ends the whole process \(SIGABRT\)"):
        try_delegate(config_with(tmp_path, library, behaviour="abort"))
    with pytest.raises(MaskdError, match=r"libfake\.so timed out after 3 s"):
        try_delegate(config_with(tmp_path, library, behaviour="hang"), timeout=3)


def accelerator_row(folder: Path, delegate: Path, behaviour: str) -> Row:
    config = {
        "cameras": {"off": {"source": "auto", "enabled": False}},
        "mqtt": {"enabled": False},
        "storage": {"path": str(folder / "storage")},
        "runtime": {"delegate": str(delegate), "delegate_options": {"behaviour": behaviour}},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return next(row for row in check(path) if row.what == "accelerator")


def test_check_tries_the_delegate_and_forgives_it(tmp_path: Path) -> None:
    library = fake_delegate(tmp_path)
    (tmp_path / "storage").mkdir()
    count = tmp_path / "storage" / "accelerator.json"
    count.write_text(Starts(settings="a", unfinished=3, last=NOW).model_dump_json())
    aborted = accelerator_row(tmp_path, library, "abort")
    assert aborted.result == "FAIL"
    assert "(SIGABRT)" in (aborted.problem or "")
    refused = accelerator_row(tmp_path, library, "refuse")
    assert refused.result == "warn"
    assert "face-detector runs on the CPU because the delegate" in (refused.problem or "")
    assert "(the chip is on strike)" in (refused.problem or "")
    assert count.exists()
    assert accelerator_row(tmp_path, library, "work").result == "ok"
    assert not count.exists()


def test_check_leaves_a_delegate_alone_that_the_daemon_uses(tmp_path: Path) -> None:
    config = config_with(tmp_path, fake_delegate(tmp_path), behaviour="work")
    begun(config, MOST_ABORTS)
    assert accelerator_check(config, maskd_is_running=True).result == "skipped"
    assert Accelerator(config).begin(NOW + 9, 0).problem is not None, "given up: nobody uses it"
    assert accelerator_check(config, maskd_is_running=True).result == "ok"


class Device:
    """`maskd run` with a delegate, on a video that never ends, as a process that is started again and again."""

    def __init__(self, folder: Path, broker: Mosquitto, delegate: Path) -> None:
        self.storage = folder / "storage"
        self._folder = folder
        self._broker = broker
        self._delegate = delegate
        self._video = write_video(folder / "visit.avi", [numbered(3)] * 5)
        self.log = folder / "log"

    def start(self, behaviour: str) -> subprocess.Popen[bytes]:
        config: dict[str, Any] = {
            "device": "lobby",
            "cameras": {"door": {"source": str(self._video), "loop": True}},
            "mqtt": {"host": "127.0.0.1", "port": self._broker.port, "status_interval_s": 1},
            "storage": {"path": str(self.storage)},
            "runtime": {"threads": 1, "delegate": str(self._delegate), "delegate_options": {"behaviour": behaviour}},
        }
        path = self._folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "edge.cli", "run", "-c", str(path)], stderr=log)


@pytest.fixture
def device(tmp_path: Path, mosquitto: Mosquitto) -> Device:
    return Device(tmp_path, mosquitto, fake_delegate(tmp_path))


@pytest.fixture
def statuses(mosquitto: Mosquitto) -> Iterator[Statuses]:
    with Subscriber(mosquitto.port, "maskd/lobby/status") as subscriber:
        yield lambda: [json.loads(message.payload) for message in subscriber.messages.copy() if message.payload]


def stopped(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(20)


def test_a_delegate_that_aborts_the_daemon_is_given_up(device: Device, statuses: Statuses) -> None:
    for number in range(MOST_ABORTS):
        assert device.start("abort soon").wait(60) == -signal.SIGABRT
        assert unfinished(device.storage) == number + 1
    process = device.start("abort soon")
    try:
        wait_until(
            lambda: any("degraded: maskd ended abruptly 3 times" in str(s["problems"]) for s in statuses()), timeout=60
        )
        assert process.poll() is None
        assert stopped(process) == 0
    finally:
        process.kill()
        process.wait()
    assert unfinished(device.storage) == MOST_ABORTS
    assert "degraded: maskd ended abruptly 3 times in a row while the delegate" in device.log.read_text()


def test_a_delegate_that_refuses_leaves_the_cpu_at_work(device: Device, statuses: Statuses) -> None:
    process = device.start("refuse")
    try:
        wait_until(lambda: any(s["cameras"]["door"]["connected"] for s in statuses()))
        problems = statuses()[0]["problems"]
        assert [p.partition(" because")[0] for p in problems if p.startswith("degraded")] == [
            "degraded: face-detector runs on the CPU",
            "degraded: mask-classifier runs on the CPU",
        ]
        assert stopped(process) == 0
    finally:
        process.kill()
        process.wait()
    assert unfinished(device.storage) == 0


def test_a_delegate_that_works_is_no_problem_until_it_is_killed(device: Device, statuses: Statuses) -> None:
    process = device.start("work")
    try:
        wait_until(lambda: any(s["cameras"]["door"]["connected"] for s in statuses()))
        assert not any("degraded" in str(s["problems"]) for s in statuses())
        assert unfinished(device.storage) == 1
        process.kill()
        process.wait()
    finally:
        process.kill()
        process.wait()
    assert unfinished(device.storage) == 1
