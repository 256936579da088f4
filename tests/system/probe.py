"""Run by the service itself, in its sandbox: what it may do there, and what it may not. The standard library alone."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

CLONE_NEWUSER = 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "works"


def system_call(function: str, *arguments: object) -> None:
    if getattr(LIBC, function)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), function)


def replace_configuration() -> None:
    """As a setting that a message asks to keep is written."""
    path = Path("/etc/maskd/config.yaml")
    beside = path.with_suffix(".probe")
    beside.write_bytes(path.read_bytes())
    beside.replace(path)


def open_device(path: str) -> None:
    """An error of the driver's own is past the gate."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        if error.errno not in {errno.ENXIO, errno.ENODEV, errno.EBUSY, errno.EINVAL}:
            raise


def process_of_root() -> None:
    Path("/proc/1/status").read_text()


def write_and_execute() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def keep_core_dump() -> None:
    if resource.getrlimit(resource.RLIMIT_CORE) == (0, 0):
        raise OSError(errno.EPERM, "a core dump")


def thread() -> None:
    worker = threading.Thread(target=lambda: None)
    worker.start()
    worker.join()


def read_credential(name: str) -> None:
    if not Path(os.environ["CREDENTIALS_DIRECTORY"], name).read_text():
        raise OSError(errno.ENODATA, name)


MUST_WORK: dict[str, Callable[[], object]] = {
    "replacing the configuration": replace_configuration,
    "writing its state": lambda: Path("/var/lib/maskd/probe").write_text(""),
    "writing below /run/maskd": lambda: Path("/run/maskd/probe").write_text(""),
    "reading its user name": lambda: read_credential("mqtt-username"),
    "reading its password": lambda: read_credential("mqtt-password"),
    "the rights of group video": lambda: Path("/srv/of-group-video").write_text("seen"),
    "what the processor can do": lambda: Path("/proc/cpuinfo").read_text(),
    "opening a camera": lambda: open_device("/dev/video9"),
    "opening a camera's graphics processor": lambda: open_device("/dev/renderD9"),
    "opening an Edge TPU": lambda: open_device("/dev/usb9"),
    "IPv4": lambda: socket.socket(socket.AF_INET).close(),
    "IPv6": lambda: socket.socket(socket.AF_INET6).close(),
    "hearing of new devices": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).close(),
    "shared memory": lambda: os.close(os.memfd_create("probe")),
    "a thread": thread,
}

MUST_NOT: dict[str, Callable[[], object]] = {
    "reading the password's file": lambda: Path("/etc/credstore/maskd.mqtt-password").read_text(),
    "reading the broker's passwords": lambda: Path("/etc/mosquitto/maskd.passwords").read_text(),
    "changing its own program": lambda: Path("/opt/maskd/probe").write_text(""),
    "changing the system": lambda: Path("/etc/probe").write_text(""),
    "looking into homes": lambda: list(Path("/root").iterdir()),
    "seeing others' processes": process_of_root,
    "opening a sound card": lambda: open_device("/dev/sound9"),
    "opening a device off the list": lambda: open_device("/dev/forbidden"),
    "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "memory that is written and executed": write_and_execute,
    "a namespace": lambda: system_call("unshare", CLONE_NEWUSER),
    "a mount": lambda: system_call("mount", b"none", b"/mnt", b"tmpfs", 0, None),
    "setting the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "becoming root": lambda: os.setuid(0),
    "a program that makes root": lambda: Path(sys.argv[1]).chmod(0o4755),
    "real-time priority": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "keeping a core dump": keep_core_dump,
}


def main() -> None:
    out = Path(sys.argv[1])
    out.touch()
    found = {
        "must work": {name: outcome(attempt) for name, attempt in MUST_WORK.items()},
        "must not": {name: outcome(attempt) for name, attempt in MUST_NOT.items()},
    }
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
