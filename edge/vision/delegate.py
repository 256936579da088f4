"""What runs a model in place of the CPU: a library such as libedgetpu, which the runtime loads."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from edge.config import RuntimeSettings
from edge.errors import MaskdError

EDGETPU_LIBRARY = "libedgetpu.so.1"
_ENTRY_POINTS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
_USB_IDS = {("1a6e", "089a"), ("18d1", "9302")}
"""Vendor and product of the Coral USB Accelerator, before and after a program has used it for the first time."""


class DelegateError(MaskdError):
    """The delegate cannot be used, or failed at its work; the CPU can do the same."""


@dataclass(frozen=True, slots=True)
class Delegate:
    """A shared library with the entry points of TFLite's external delegates, and its own options."""

    file: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_edgetpu(self) -> bool:
        """Whether it runs models that were compiled for the Edge TPU, and no others."""
        return Path(self.file).name.startswith("libedgetpu")

    def describe(self) -> str:
        return "the Edge TPU" if self.is_edgetpu else f"the delegate {self.file}"


def configured_delegate(settings: RuntimeSettings) -> Delegate | None:
    """The delegate of the section `runtime`; None: the CPU does the work."""
    if settings.delegate is None:
        return None
    library = EDGETPU_LIBRARY if settings.delegate == "edgetpu" else settings.delegate
    return Delegate(library, dict(settings.delegate_options))


def load_delegate(runtime: ModuleType, delegate: Delegate) -> Any:
    """The delegate as the runtime's module wants it. Raises DelegateError."""
    # The runtime's own object leaves a traceback on standard error when it cannot load the library.
    _require_delegate_library(delegate)
    try:
        return runtime.load_delegate(delegate.file, dict(delegate.options))
    except (ValueError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split()).removeprefix(f"Failed to load delegate from {delegate.file}").strip()
        raise DelegateError(_not_started(delegate, reason)) from error


def _require_delegate_library(delegate: Delegate) -> None:
    try:
        library = ctypes.CDLL(delegate.file)
    except OSError as error:
        reason = " ".join(str(error).split())
        if reason.startswith(f"{delegate.file}: cannot open shared object file: No such file"):
            remedy = (
                "install it: sudo apt install libedgetpu1-std, from Coral's package source (docs/accelerators.md)"
                if delegate.is_edgetpu
                else "correct runtime.delegate"
            )
            raise DelegateError(f"the library {delegate.file} is not on this device; {remedy}") from error
        raise DelegateError(
            f"the library {delegate.file} does not load ({reason}); install one built for this device's processor "
            "and system"
        ) from error
    if missing := [name for name in _ENTRY_POINTS if not hasattr(library, name)]:
        raise DelegateError(
            f"the library {delegate.file} is not a TFLite delegate: it lacks {missing[0]}; correct runtime.delegate"
        )


def _not_started(delegate: Delegate, reason: str) -> str:
    because = f" ({reason})" if reason else ""
    if not delegate.is_edgetpu:
        return (
            f"the delegate {delegate.file} does not start{because or ' and gives no reason'}; "
            "see its documentation, and runtime.delegate_options"
        )
    if edgetpu_is_there():
        return (
            f"the Edge TPU cannot be opened{because}; add the daemon's user to the group plugdev (USB) or apex "
            "(PCIe), and stop other programs that use it"
        )
    return (
        f"there is no Edge TPU{because}; check its cable, port and power supply, or for PCIe that the driver "
        "gasket-dkms is installed"
    )


def edgetpu_is_there(root: Path = Path("/")) -> bool:
    """Whether the kernel knows of one, on USB or PCIe. `root`: where `sys` and `dev` are."""
    if any((root / "dev").glob("apex_*")):
        return True
    vendors = (root / "sys/bus/usb/devices").glob("*/idVendor")
    return any((_read(vendor), _read(vendor.with_name("idProduct"))) in _USB_IDS for vendor in vendors)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
