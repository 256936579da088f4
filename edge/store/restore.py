"""Takes a backup apart, believes nothing in it, and puts it in place once all of it is there and whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any

from edge.errors import MaskdError
from edge.store.backup_names import (
    DATABASE,
    FOLDERS,
    LARGEST_SMALL,
    MANIFEST,
    MOST_FILES,
    PLAIN,
    SCHEMA,
    SECRET_STATE,
    SEQ,
    STATE,
    is_known,
    largest,
)
from edge.store.folder_lock import FolderLock
from edge.store.outbox_file import put_meta, transaction, verify
from edge.store.state_files import PREFIXES
from edge.system.atomic_file import sync_folder

STAGING = "restore.new"
"""Below `storage.path`, until everything in it is whole."""
BEFORE = "before-restore"
"""Below `storage.path`: what was there before the latest restore."""


def read_manifest(path: Path) -> dict[str, Any]:
    """Raises MaskdError for what is not a backup."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            member = archive.next()
            if member is None or member.name != MANIFEST or not member.isreg() or member.size > LARGEST_SMALL:
                raise _unusable(path, "it does not begin with a manifest")
            content = archive.extractfile(member)
            assert content is not None, "it is a regular file"
            manifest: Any = json.loads(content.read())
    except (OSError, tarfile.TarError, zlib.error, EOFError, ValueError, RecursionError) as error:
        raise _unusable(path, getattr(error, "strerror", None) or str(error)) from None
    if not isinstance(manifest, dict):
        raise _unusable(path, f"its manifest is not one of {SCHEMA}")
    files = manifest.get("files")
    if not isinstance(files, dict) or manifest.get("schema") != SCHEMA or len(files) > MOST_FILES:
        raise _unusable(path, f"its manifest is not one of {SCHEMA}")
    for name, each in files.items():
        if not is_known(name):
            raise _unusable(path, f"it holds {name[:80]!a}, which no backup of maskd has")
        size, digest = (each.get("size"), each.get("sha256")) if isinstance(each, dict) else (None, None)
        if type(size) is not int or not 0 <= size <= largest(name) or not isinstance(digest, str):
            raise _unusable(path, f"its manifest does not say how large {name} is")
    return manifest


def read_small(path: Path, manifest: Mapping[str, Any], name: str) -> bytes | None:
    """One file of a backup, checked; None: it has none of that name. Raises MaskdError."""
    wanted = manifest["files"].get(name)
    if wanted is None:
        return None
    try:
        with tarfile.open(path, "r:gz") as archive:
            member = next((each for each in archive if each.name == name), None)
            content = None if member is None or not member.isreg() else archive.extractfile(member)
            data = b"" if content is None else content.read(largest(name) + 1)
    except (OSError, tarfile.TarError, zlib.error, EOFError) as error:
        raise _unusable(path, getattr(error, "strerror", None) or str(error)) from None
    if hashlib.sha256(data).hexdigest() != wanted["sha256"]:
        raise _unusable(path, f"{name} is damaged")
    return data


class Restore:
    """As a context manager it holds the lock of the folder, so that no maskd starts meanwhile."""

    def __init__(self, path: Path, storage: Path) -> None:
        self._path = path
        self._storage = storage
        self._staging = storage / STAGING
        self._lock = FolderLock(storage)

    def __enter__(self) -> Restore:
        """Raises MaskdError where a maskd is running, or the folder is another program's."""
        try:
            self._require_own_folder()
            self._storage.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except MaskdError as error:
            if "in use" not in str(error):
                raise
            raise MaskdError(
                f"maskd is running with storage.path {self._storage}; stop it first: sudo systemctl stop maskd"
            ) from None
        except OSError as error:
            raise MaskdError(f"{self._storage} cannot be used: {error.strerror or error}") from None
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        self._lock.release()

    def unpack(self, manifest: Mapping[str, Any]) -> None:
        """Into the staging folder, each file checked. Raises MaskdError; nothing that was there is touched."""
        shutil.rmtree(self._staging, ignore_errors=True)
        wanted = dict(manifest["files"])
        try:
            self._staging.mkdir(mode=0o700)
            with tarfile.open(self._path, "r:gz") as archive:
                for member in archive:
                    if member.name == MANIFEST:
                        continue
                    each = wanted.pop(member.name, None)
                    if each is None or not member.isreg() or member.size != each["size"]:
                        raise _unusable(self._path, f"{member.name[:80]!a} is not as its manifest says")
                    content = archive.extractfile(member)
                    assert content is not None, "it is a regular file"
                    self._write(member.name, content, each["sha256"])
        except (OSError, tarfile.TarError, zlib.error, EOFError) as error:
            raise _unusable(self._path, getattr(error, "strerror", None) or str(error)) from None
        if wanted:
            raise _unusable(self._path, f"{next(iter(wanted))} is missing")
        self._prepare_database()

    def secrets(self) -> list[Path]:
        """In the staging folder."""
        folder = self._staging / "secrets"
        return sorted(folder.iterdir()) if folder.exists() else []

    def put_in_place(self) -> Path:
        """What was there goes into `BEFORE`, which is returned; where a move fails, everything goes back. Raises
        MaskdError."""
        before, state = self._storage / BEFORE, self._staging / STATE
        moved: list[tuple[Path, Path]] = []
        try:
            shutil.rmtree(before, ignore_errors=True)
            before.mkdir(mode=0o700)
            for name in self._present():
                _move(self._storage / name, before / name, moved)
            for path in sorted(state.iterdir()) if state.exists() else ():
                _move(path, self._storage / path.name, moved)
            self._give_to_owner()
            sync_folder(self._storage)
        except OSError as error:
            for source, target in reversed(moved):
                with suppress(OSError):
                    target.rename(source)
            raise MaskdError(
                f"nothing was restored: {error.strerror or error} in {self._storage}; what was there is there again"
            ) from None
        return before

    def _require_own_folder(self) -> None:
        """A hostile configuration may name any folder. Raises MaskdError and OSError."""
        names = {path.name for path in self._storage.iterdir()} if self._storage.exists() else set()
        if names - {"lost+found"} and not names & {SEQ, DATABASE, *PLAIN, *SECRET_STATE, *FOLDERS}:
            raise MaskdError(
                f"{self._storage}, where the backup's configuration keeps the state, is neither empty nor maskd's; "
                "nothing was changed"
            )

    def _present(self) -> list[str]:
        known = (SEQ, *PLAIN, *SECRET_STATE, *FOLDERS)
        names = [path.name for path in self._storage.iterdir()]
        return [name for name in names if name in known or name.startswith(PREFIXES)]

    def _write(self, name: str, content: IO[bytes], wanted: str) -> None:
        """The name is a known one, so it leads nowhere else."""
        target = self._staging / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with target.open("xb") as file:
            while block := content.read(1 << 20):
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != wanted:
            raise _unusable(self._path, f"{name} is damaged")

    def _prepare_database(self) -> None:
        """Marks it as a copy, by which the next start begins a new epoch. Raises MaskdError."""
        path = self._staging / STATE / DATABASE
        if not path.exists():
            return
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                if verify(db, path):
                    with transaction(db):
                        put_meta(db, {"place": 0})
        except sqlite3.Error as error:
            raise _unusable(self._path, f"its outbox is damaged: {error}") from None

    def _give_to_owner(self) -> None:
        """Where root restores: the daemon, another user, goes on in these files."""
        owner = self._storage.stat()
        for name in self._present():
            path = self._storage / name
            for each in (path, *(path.rglob("*") if path.is_dir() else ())):
                each.chmod(0o750 if each.is_dir() else 0o600 if each.name in (*PLAIN, *SECRET_STATE) else 0o644)
                if os.geteuid() == 0:
                    os.chown(each, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _move(source: Path, target: Path, moved: list[tuple[Path, Path]]) -> None:
    source.rename(target)
    moved.append((source, target))


def _unusable(path: Path, why: str) -> MaskdError:
    return MaskdError(f"{path} cannot be restored: {why}; nothing was changed")
