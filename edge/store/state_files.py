"""Looks at the files that maskd keeps for itself before one is opened: opening a FIFO would wait without end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.errors import MaskdError

RECORD = "record"
SNAPSHOTS = "snapshots"
AUDIT, UPTIME = "audit", "uptime"
PLACES = "places"
FILES = (
    "seq",
    "announced.json",
    "accelerator.json",
    "overrides.json",
    "resend.json",
    "totals.json",
    "logins.json",
    "page.pem",
)
FRESH = ".new"
"""At the end of the name of what is about to take a file's place."""
PREFIXES = ("outbox.", "actions.")
"""Of a database, its log, its lock, and what is made of it after damage."""
ACTIONS = "actions.db"
"""Where actions of rules wait for their outputs."""
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFREG: "a file",
}


def require_own_files(folder: Path) -> None:
    """`folder` is `storage.path`, which need not exist. Raises MaskdError where one of maskd's own names in it belongs
    to something else, or to a file that this user may not read."""
    folder_problem = _problem(folder, stat.S_IFDIR)
    if folder_problem is not None:
        raise _unusable(folder, folder_problem, stat.S_IFDIR)
    for path, wanted in _own(folder):
        problem = _problem(path, wanted) or _unreadable(path)
        if problem is not None:
            raise _unusable(path, problem, wanted)


def require_record_of_files(folder: Path) -> None:
    """The same for the local record only, for any user who may read some of it."""
    for path, wanted in _own(folder):
        problem = _problem(path, wanted) if path.name == RECORD or path.parent.name == RECORD else None
        if problem is not None:
            raise _unusable(path, problem, wanted)


def _own(folder: Path) -> Iterator[tuple[Path, int]]:
    """Each with the kind that it must be of."""
    for name in _names(folder):
        if name == RECORD:
            yield folder / name, stat.S_IFDIR
            days = (day for day in _names(folder / name) if day.removesuffix(FRESH).endswith(".jsonl"))
            yield from ((folder / name / day, stat.S_IFREG) for day in days)
        elif name in (SNAPSHOTS, AUDIT, UPTIME, PLACES):
            yield folder / name, stat.S_IFDIR
        elif name.removesuffix(FRESH) in FILES or name.startswith(PREFIXES):
            yield folder / name, stat.S_IFREG


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []  # problems of the folder itself are reported by its writer


def _problem(path: Path, wanted: int) -> str | None:
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, PermissionError):
        return None  # to be made, or told of by the part that opens it
    except OSError as error:
        return f"cannot be examined ({error.strerror})"
    if kind != wanted:
        return f"is {_KINDS.get(kind, 'something else')}"
    return None


def _unreadable(path: Path) -> str | None:
    if os.access(path, os.F_OK) and not os.access(path, os.R_OK, effective_ids=True):
        return f"cannot be read by this user (uid {os.geteuid()})"
    return None


def _unusable(path: Path, problem: str, wanted: int) -> MaskdError:
    return MaskdError(
        f"{path} {problem}, where maskd keeps {_KINDS[wanted]} of its own; move it away, or set storage.path to "
        "another folder"
    )
