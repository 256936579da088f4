"""`maskd check` on clocks, memory, heat and power: a board's own files, and a real program in the place of vcgencmd."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.checks.clock import clock_row, is_synchronized, kernel_is_synchronized
from edge.checks.device import device_rows, memory_row, power_row, temperature_row
from edge.system.board import Throttling, available_memory, temperature_c, throttling


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board without any of its files; PATH leads to an empty folder beside it."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "root"


def vcgencmd(root: Path, script: str) -> None:
    program = root.parent / "bin" / "vcgencmd"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


# --- clock ---


@pytest.mark.parametrize(("year", "result"), [(1970, "FAIL"), (2023, "FAIL"), (2026, "ok"), (2150, "FAIL")])
def test_a_clock_that_was_never_set_fails(year: int, result: str) -> None:
    row = clock_row(datetime(year, 1, 2, tzinfo=timezone.utc).timestamp(), synchronized=None)
    assert (row.result, row.detail) == (result, f"{year}-01-02T00:00:00Z")
    assert result == "ok" or "sudo timedatectl set-ntp true" in (row.problem or "")


def test_a_clock_that_nobody_keeps_is_warned_of(root: Path) -> None:
    now = datetime(2026, 1, 2, tzinfo=timezone.utc).timestamp()
    assert is_synchronized(root, lambda: None) is None
    assert is_synchronized(root, lambda: False) is False
    assert clock_row(now, synchronized=False).result == "warn"
    write(root / "run/systemd/timesync/synchronized", "")
    assert is_synchronized(root, lambda: False) is True
    assert clock_row(now, synchronized=True).detail == "2026-01-02T00:00:00Z, synchronized"


def test_the_kernel_answers() -> None:
    assert kernel_is_synchronized() in (True, False, None)


# --- memory, heat, power ---


def test_a_board_that_tells_nothing_is_skipped(root: Path) -> None:
    rows = list(device_rows(root, maskd_is_running=False))
    assert [(row.what, row.result) for row in rows] == [
        ("memory", "skipped"),
        ("temperature", "skipped"),
        ("power", "skipped"),
    ]


def test_little_memory_is_warned_of(root: Path) -> None:
    write(root / "proc/meminfo", "MemTotal:  1000 kB\nMemFree:  7 kB\nMemAvailable:     100000 kB\nBuffers: 1 kB\n")
    assert available_memory(root) == 102_400_000
    row = memory_row(available_memory(root), maskd_is_running=False)
    assert (row.result, row.detail) == ("warn", "102 MB available")
    assert memory_row(102_400_000, maskd_is_running=True).result == "ok", "maskd has its own already"
    assert memory_row(500_000_000, maskd_is_running=False).result == "ok"
    write(root / "proc/meminfo", "MemTotal: lots\n")
    assert available_memory(root) is None


@pytest.mark.parametrize(("text", "celsius", "result"), [("79900", 79.9, "ok"), ("80100", 80.1, "warn")])
def test_a_hot_board_is_warned_of(root: Path, text: str, celsius: float, result: str) -> None:
    write(root / "sys/class/thermal/thermal_zone0/temp", text + "\n")
    assert temperature_c(root) == celsius
    row = temperature_row(temperature_c(root))
    assert (row.result, row.figures) == (result, {"celsius": celsius})


@pytest.mark.parametrize(
    ("answer", "result", "says"),
    [
        ("0x0", "ok", ""),
        ("0x1", "FAIL", "the voltage is too low, which damages memory cards"),
        ("0x10000", "warn", "the voltage has been too low since the board started"),
        ("0x4", "warn", "the processor is throttled"),
        ("0x2", "warn", "the processor is throttled"),
        ("0x8", "warn", "the processor is throttled"),
        ("0x80000", "warn", "the processor has been throttled"),
        ("0x50005", "FAIL", "the voltage is too low"),
    ],
)
def test_throttling(root: Path, answer: str, result: str, says: str) -> None:
    vcgencmd(root, f'test "$1" = get_throttled && echo throttled={answer}')
    assert throttling(root) == Throttling(int(answer, 16))
    row = power_row(throttling(root))
    assert row.result == result
    assert (row.problem or "").startswith(says)
    assert row.figures == {"throttled": int(answer, 16)}


@pytest.mark.parametrize("script", ["echo VCHI initialization failed; exit 255", "echo throttled=0xnone", "sleep 30"])
def test_without_vcgencmd_the_kernel_is_asked(root: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.system.board._VCGENCMD_TIMEOUT_S", 0.3)
    monkeypatch.setenv("PATH", f"{root.parent / 'bin'}{os.pathsep}/usr/bin:/bin")
    vcgencmd(root, f"exec {script}" if script.startswith("sleep") else script)
    assert throttling(root) is None
    write(root / "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    assert throttling(root) == Throttling(0x50005)
    write(root / "sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    write(root / "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    write(root / "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n")
    assert throttling(root) == Throttling(0)
    write(root / "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    assert throttling(root) == Throttling.UNDER_VOLTAGE
