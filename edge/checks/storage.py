"""The folder where events wait, and its disk."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.checks.row import Figure, Row, judged, megabytes
from edge.config import StorageSettings
from edge.errors import MaskdError
from edge.store.state_files import require_own_files

LEAST_FREE_BYTES = 20_000_000
_IN_MEMORY = {"tmpfs", "ramfs"}
_OVERLAYS = {"overlay", "overlayfs", "aufs"}


@dataclass(frozen=True, slots=True)
class Filesystem:
    """Where a folder lies."""

    kind: str
    """As the kernel names it: ext4, tmpfs, overlay, ..."""
    free_bytes: int
    """For this user."""
    free_files: int | None = None
    """How many more files there can be; None: as many as there is room for."""
    is_read_only: bool = False


def check_storage(settings: StorageSettings, *, is_running: bool | None) -> Row:
    """Raises MaskdError where the folder is of no use."""
    folder = settings.path
    # os.access, since Path.exists() raises below a folder that may not be entered.
    there = next(place for place in (folder, *folder.absolute().parents) if os.access(place, os.F_OK))
    if not there.is_dir():
        raise MaskdError(f"{there} is not a folder, so the outbox cannot be stored in it; correct storage.path")
    require_own_files(folder)
    filesystem = filesystem_of(there)
    files = [file for file in _outbox_files(folder) if os.access(file, os.F_OK)]
    if not filesystem.is_read_only:
        _require_writable(there, files)
    state = "in use by a running maskd" if is_running else f"writable by {_user()}"
    if there != folder:
        state = f"does not exist yet; {_user()} may create it"
    taken = sum(file.stat().st_size for file in files)
    return storage_row(settings, filesystem, taken_bytes=taken, state=state)


def storage_row(settings: StorageSettings, filesystem: Filesystem, *, taken_bytes: int, state: str) -> Row:
    """`taken_bytes`: what the outbox has already of what it may take."""
    folder, free = settings.path, filesystem.free_bytes
    failures, warnings = [], []
    if filesystem.is_read_only:
        failures.append(
            f"the disk of {folder} is mounted read-only, perhaps because of disk errors; see `dmesg`, then remount "
            "it for writing, or set storage.path to another disk"
        )
    elif free < LEAST_FREE_BYTES:
        failures.append(f"the disk of {folder} has only {megabytes(free)} free; free some space there")
    elif filesystem.free_files is not None and filesystem.free_files < 10:
        failures.append(f"the disk of {folder} cannot hold more files; delete some there")
    elif free + taken_bytes < (wanted := settings.max_bytes + settings.keep_bytes * (settings.keep_days > 0)):
        warnings.append(
            f"outbox and record may grow to {megabytes(wanted)}, but the disk is too small for that; free some space "
            "there, or lower storage.max_bytes and storage.keep_bytes"
        )
    if filesystem.kind in _IN_MEMORY:
        warnings.append(
            f"{folder} is in memory ({filesystem.kind}), so a power cut loses events; set storage.path to a folder "
            "on a disk"
        )
    elif filesystem.kind in _OVERLAYS:
        warnings.append(
            f"{folder} is on an overlay ({filesystem.kind}), which is lost with the container, or in a power cut if "
            "the card is write-protected; set storage.path to a volume or a separate disk"
        )
    detail = f"{folder}, {filesystem.kind}, {state}, {megabytes(free)} free"
    figures: dict[str, Figure] = {"filesystem": filesystem.kind, "free_bytes": free}
    return judged("storage", detail, failures=failures, warnings=warnings, figures=figures)


def filesystem_of(place: Path, mounts: Path = Path("/proc/self/mountinfo")) -> Filesystem:
    """`mounts`: what the kernel tells of mounted filesystems, see proc_pid_mountinfo(5). Raises OSError."""
    found = os.statvfs(place)
    return Filesystem(
        kind=_kind(place.resolve(), mounts),
        free_bytes=found.f_bavail * found.f_frsize,
        free_files=found.f_favail if found.f_files else None,
        is_read_only=bool(found.f_flag & os.ST_RDONLY),
    )


def _kind(place: Path, mounts: Path) -> str:
    best, kind = -1, "unknown"
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return kind
    for line in lines:
        fields, _, rest = line.partition(" - ")
        # Spaces and the like are written in octal.
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields.split()[4]))
        # Of two that are mounted on one point, the later one hides the earlier.
        if len(point.parts) >= best and (point == place or point in place.parents):
            best, kind = len(point.parts), rest.split()[0]
    return kind


def _require_writable(there: Path, files: Sequence[Path]) -> None:
    user = _user()
    if not os.access(there, os.W_OK | os.X_OK):
        raise MaskdError(
            f"{there} is not writable by {user}; run this check as the daemon's user, give {user} write permission, "
            "or set storage.path to another folder"
        )
    for file in files:
        if not os.access(file, os.R_OK | os.W_OK):
            raise MaskdError(f"{file} is not writable by {user}; give it to that user: sudo chown {user} {file}")


def _outbox_files(folder: Path) -> list[Path]:
    return [folder / name for name in ("outbox.db", "outbox.db-wal", "outbox.db-shm", "seq", "overrides.json")]


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
