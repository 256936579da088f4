"""Makes a backup: one archive, consistent while maskd runs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any

from edge.errors import MaskdError
from edge.store.backup_names import (
    ACTIONS,
    CONFIG,
    DATABASE,
    FOLDERS,
    MANIFEST,
    PLAIN,
    SCHEMA,
    SECRET_STATE,
    SECRETS,
    SEQ,
    STATE,
)
from edge.store.outbox_file import get_meta
from edge.store.record_line import read_line

BUSY_S = 30.0


def write_backup(
    target: Path,
    storage: Path,
    *,
    config: bytes | None,
    about: Mapping[str, Any],
    secrets: Mapping[str, Path] | None,
) -> list[str]:
    """Returns the names in it. `config`: what config.yaml holds; None: there is none. `about`: what the manifest says
    in addition. `secrets`: files by their names; None: no secrets. Raises MaskdError, with nothing left behind."""
    if target.exists():
        raise MaskdError(f"{target} exists already; remove it, or give another name")
    fresh = target.with_name(target.name + ".new")
    try:
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise MaskdError(f"{fresh} cannot be made: {error.strerror or error}; give another place") from None
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".maskd-", dir=target.parent) as folder,
            os.fdopen(descriptor, "wb") as file,
        ):
            names = _fill(file, Path(folder), storage, config, about, secrets)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    except BaseException as error:
        with suppress(OSError):
            fresh.unlink()
        if isinstance(error, (OSError, sqlite3.Error)):
            raise MaskdError(f"no backup was made: {getattr(error, 'strerror', None) or error}") from None
        raise
    return names


def _fill(
    file: IO[bytes],
    scratch: Path,
    storage: Path,
    config: bytes | None,
    about: Mapping[str, Any],
    secrets: Mapping[str, Path] | None,
) -> list[str]:
    """The manifest comes last in time and first in the archive, so everything is copied beforehand."""
    parts: dict[str, Path] = {}
    if config is not None:
        parts[CONFIG] = _scratch(scratch, len(parts))
        parts[CONFIG].write_bytes(config)
    # In this order: what is copied later may tell of more, and never of less.
    small = [SEQ, *PLAIN, *(SECRET_STATE if secrets is not None else ())]
    for name in small:
        _copy(storage / name, scratch, STATE + name, parts)
    # Actions first: what a rule has not seen by then is in the record.
    _copy_database(storage / ACTIONS, scratch, parts)
    newest_row = _newest_row(_copy_database(storage / DATABASE, scratch, parts))
    for folder in FOLDERS:
        for path in _lines_in(storage / folder):
            last_row = newest_row if folder == "record" else None
            _copy(path, scratch, f"{STATE}{folder}/{path.name}", parts, last_row=last_row)
    for name, path in (secrets or {}).items():
        _copy(path, scratch, SECRETS + name, parts)
    files: dict[str, dict[str, Any]] = {
        name: {"size": path.stat().st_size, "sha256": _digest(path)} for name, path in parts.items()
    }
    manifest = json.dumps({"schema": SCHEMA, **about, "files": files}, indent=1).encode()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
        _add(archive, MANIFEST, len(manifest), io.BytesIO(manifest))
        for name, path in parts.items():
            with path.open("rb") as content:
                _add(archive, name, files[name]["size"], content)
    return list(parts)


def _copy_database(path: Path, scratch: Path, parts: dict[str, Path]) -> Path | None:
    """By SQLite's own backup, which sees one moment. Returns the copy; None: there is no database."""
    if not path.exists():
        return None
    copy = _scratch(scratch, len(parts))
    with (
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        parts[STATE + path.name] = copy
    return copy


def _newest_row(outbox: Path | None) -> int | None:
    if outbox is None:
        return None
    with closing(sqlite3.connect(outbox)) as db:
        return get_meta(db).get("next_seq", 1) - 1


def _copy(path: Path, scratch: Path, name: str, parts: dict[str, Path], *, last_row: int | None = None) -> None:
    """Of a file that grows, complete lines alone; `last_row`: without what the database did not have yet."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    if name.endswith(".jsonl"):
        data = data[: data.rfind(b"\n") + 1]
        if last_row is not None:
            lines = data.splitlines(keepends=True)
            data = b"".join(line for line in lines if _row(line) <= last_row)
    copy = _scratch(scratch, len(parts))
    copy.write_bytes(data)
    parts[name] = copy


def _row(line: bytes) -> int:
    recorded = read_line(line.rstrip(b"\n"))
    return 0 if recorded is None else recorded.row


def _scratch(folder: Path, number: int) -> Path:
    return folder / str(number)


def _lines_in(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from sorted(path for path in folder.iterdir() if path.suffix in (".jsonl", ".json"))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _add(archive: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    archive.addfile(member, content)
