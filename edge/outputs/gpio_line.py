"""One line of a Raspberry Pi's GPIO, through gpiozero, which is imported here and only where it is used."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from edge.errors import MaskdError

_FACTORY = "GPIOZERO_PIN_FACTORY"
_CHIPS = Path("/dev")
_opening = threading.Lock()
"""gpiozero opens the chip once for all outputs, but does not expect two threads to ask for it."""


class GpioLine:
    """An output line. Not from two threads at once; every method raises MaskdError with what is wrong."""

    def __init__(self, pin: int, *, is_active_high: bool) -> None:
        """Takes the line `pin`, in the numbers of the processor (BCM), and switches it off."""
        self._pin = pin
        gpiozero = _opened()
        try:
            self._device = gpiozero.OutputDevice(pin, active_high=is_active_high, initial_value=False)
        except Exception as error:  # noqa: BLE001 - each library below gpiozero has errors of its own
            raise _refusal(pin, error) from None

    def switch(self, is_on: bool) -> None:
        try:
            self._device.value = is_on
        except Exception as error:  # noqa: BLE001
            raise _refusal(self._pin, error) from None

    def release(self) -> None:
        """Switches it off and gives it back, whereby it becomes an input."""
        try:
            try:
                self._device.off()
            finally:
                self._device.close()
        except Exception as error:  # noqa: BLE001
            raise _refusal(self._pin, error) from None


def board_name() -> str:
    """The board whose GPIO chip can be opened. Raises MaskdError."""
    factory = _opened().Device.pin_factory
    chip, board = (getattr(factory, name, None) for name in ("chip", "board_info"))  # gpiozero 1 has neither
    model = "a Raspberry Pi" if board is None else f"Raspberry Pi {board.model}"
    return model if chip is None else f"{model} at /dev/gpiochip{chip}"


def _opened() -> Any:
    """The module gpiozero, with a chip that is open."""
    # Without this, gpiozero tries one library after the other, and says of none why it does not work.
    os.environ.setdefault(_FACTORY, "lgpio")
    try:
        import gpiozero
    except ImportError:
        raise MaskdError(f"gpiozero is not installed; {_remedy('python3-gpiozero python3-lgpio')}") from None
    try:
        with _opening:
            gpiozero.Device.ensure_pin_factory()
    except Exception as error:  # noqa: BLE001
        raise _no_chip(error) from None
    return gpiozero


def _may_open(chip: Path) -> bool:
    try:
        os.close(os.open(chip, os.O_RDWR))
    except OSError:
        return False
    return True


def _no_chip(error: Exception) -> MaskdError:
    library = os.environ[_FACTORY]
    chips = sorted(_CHIPS.glob("gpiochip*"))
    if isinstance(error, ImportError):
        return MaskdError(f"{library} is not installed; {_remedy('python3-lgpio')}")
    if isinstance(error, FileNotFoundError) and ".lgd-nfy" in str(error):
        return MaskdError(
            f"lgpio may not write into the working folder {Path.cwd()}, where it makes a pipe; allow the service GPIO "
            "as docs/outputs.md describes"
        )
    if type(error).__name__ == "PinUnknownPi":
        return MaskdError("this is not a Raspberry Pi, and gpiozero knows no other board; use another kind of output")
    if not chips:
        return MaskdError(f"there is no GPIO chip ({_CHIPS}/gpiochip*) on this device; use another kind of output")
    if not _may_open(chips[0]):
        return MaskdError(
            f"maskd may not open {chips[0]}; allow the service GPIO as docs/outputs.md describes, or add this user "
            "to the group gpio"
        )
    return MaskdError(f"{library} cannot open the GPIO chip: {_words(error)}; try it with the command `pinout`")


def _refusal(pin: int, error: Exception) -> MaskdError:
    words = _words(error)
    if "busy" in words or type(error).__name__ == "GPIOPinInUse":
        return MaskdError(f"GPIO{pin} is in use by another program or driver; choose another pin, or end that program")
    return MaskdError(f"GPIO{pin} cannot be switched: {words}; check the pin's number, and the wiring")


def _words(error: Exception) -> str:
    return " ".join(str(error).strip("'\"").split()) or type(error).__name__


def _remedy(packages: str) -> str:
    return (
        f"on a Raspberry Pi: sudo apt install {packages}, which maskd sees where it was installed by its installer; "
        "elsewhere, with Python 3.10 to 3.12: pip install 'maskd[gpio]'"
    )
