"""What an installation adds to a machine and what it leaves there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.system.debian import Debian

OTHERS = (
    "dev",
    "proc",
    "run",
    "sys",
    "tmp",
    "root",
    "var/tmp",
    "var/log",
    "var/cache",
    "var/lib/systemd",
    "var/lib/mosquitto",
)
"""Folders where others write, or where nothing lasts; /root holds the tests' own bundles."""
BACKUPS = ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-", "etc/.pwd.lock")


def files(debian: Debian) -> dict[str, str]:
    """Everything that lasts: paths, and what files of the configuration hold."""
    return files_below(debian.root)


def files_below(root: Path) -> dict[str, str]:
    found = {}
    for folder, subfolders, names in os.walk(root):
        relative = os.path.relpath(folder, root)
        subfolders[:] = [
            n for n in subfolders if os.path.normpath(f"{relative}/{n}") not in OTHERS and n != "__pycache__"
        ]
        for name in [*subfolders, *names]:
            path = Path(folder, name)
            inside = os.path.normpath(f"{relative}/{name}")
            if inside in BACKUPS:
                continue
            is_setting = inside.startswith(("etc/", "usr/local/")) and path.is_file() and not path.is_symlink()
            found[inside] = hashlib.sha256(path.read_bytes()).hexdigest() if is_setting else ""
    return found


def difference(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
