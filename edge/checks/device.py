"""The board that maskd runs on: memory, temperature, power supply."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.checks.row import Row, judged
from edge.system.board import Throttling, available_memory, temperature_c, throttling

WARM_C = 80.0
"""From here on a Raspberry Pi begins to slow down."""
LEAST_MEMORY_BYTES = 150_000_000
"""maskd takes about as much, with one camera of 1280 x 720 pixels."""


def device_rows(root: Path, *, maskd_is_running: bool) -> Iterator[Row]:
    """`root`: where `proc` and `sys` are."""
    yield memory_row(available_memory(root), maskd_is_running=maskd_is_running)
    yield temperature_row(temperature_c(root))
    yield power_row(throttling(root))


def memory_row(available: int | None, *, maskd_is_running: bool) -> Row:
    """`available`: bytes; None: the kernel does not tell."""
    if available is None:
        return Row("skipped", "memory", "unknown on this system")
    warnings = []
    if available < LEAST_MEMORY_BYTES and not maskd_is_running:
        warnings.append(
            f"maskd needs about {LEAST_MEMORY_BYTES / 1000000.0:.0f} MB; stop other programs, or the kernel may "
            "kill maskd"
        )
    detail = f"{available / 1e6:.0f} MB available"
    return judged("memory", detail, warnings=warnings, figures={"available_bytes": available})


def temperature_row(celsius: float | None) -> Row:
    """`celsius` None: the board does not tell."""
    if celsius is None:
        return Row("skipped", "temperature", "unknown on this board")
    warnings = (
        []
        if celsius < WARM_C
        else [("the board throttles at this temperature; improve its ventilation, or add a cooler")]
    )
    return judged("temperature", f"{celsius:.0f} °C", warnings=warnings, figures={"celsius": round(celsius, 1)})


def power_row(state: Throttling | None) -> Row:
    """`state` None: this is not a Raspberry Pi."""
    if state is None:
        return Row("skipped", "power", "unknown on this board")
    failures, warnings = [], []
    supply = (
        "use the board's own power supply and a short, thick cable, and connect USB devices that need much power "
        "through a powered hub"
    )
    if state & Throttling.UNDER_VOLTAGE:
        failures.append(f"the voltage is too low, which damages memory cards and drops cameras; {supply}")
    elif state & Throttling.HAD_UNDER_VOLTAGE:
        warnings.append(f"the voltage has been too low since the board started, but is not now; {supply}")
    slow = Throttling.THROTTLED | Throttling.FREQUENCY_CAPPED | Throttling.SOFT_TEMPERATURE_LIMIT
    had_slow = Throttling.HAD_THROTTLED | Throttling.HAD_FREQUENCY_CAPPED | Throttling.HAD_SOFT_TEMPERATURE_LIMIT
    if state & slow:
        warnings.append("the processor is throttled, so fewer pictures are judged; fix the power supply or the cooling")
    elif state & had_slow:
        warnings.append("the processor has been throttled since the board started; check its power supply and cooling")
    detail = "sufficient, and the processor at full speed" if not state else f"the firmware says 0x{state:x}"
    return judged("power", detail, failures=failures, warnings=warnings, figures={"throttled": int(state)})
