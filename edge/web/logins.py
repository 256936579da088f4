"""logins.json: who may use the page, in the state folder; never in config.yaml."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.config import Name
from edge.errors import MaskdError
from edge.system.atomic_file import write_own_file

FILE_NAME = "logins.json"
"""Below `storage.path`."""
LAYOUT = 1
LONGEST_BYTES = 1_000_000
MOST_TOKENS = 100

Role = Literal["owner", "view"]
"""`owner` may change settings; `view` looks on, as every token does."""


class Logins(BaseModel):
    """Hashes alone: see `edge.web.passwords`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    layout: Annotated[int, Field(ge=LAYOUT, le=LAYOUT)] = LAYOUT
    owner: str | None = None
    """Of the password."""
    view: str | None = None
    """Of the view-only password."""
    tokens: Mapping[Name, str] = {}
    """Of machines, by name."""
    key: str | None = None
    """Of the one-time key that signs the owner in once."""

    @property
    def has_any(self) -> bool:
        return any((self.owner, self.view, self.tokens, self.key))


def read_logins(path: Path) -> Logins:
    """Without any login where there is no file. Raises MaskdError."""
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Logins()
    except OSError as error:
        raise MaskdError(f"{path} cannot be read: {error.strerror or error}; let maskd's user own it") from None
    try:
        return Logins.model_validate_json(data)
    except ValidationError:
        raise MaskdError(
            f"{path} does not hold what maskd wrote; delete it and set the password again: maskd password"
        ) from None


def write_logins(path: Path, logins: Logins) -> None:
    """The whole file or nothing. Raises MaskdError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _as_owner_of(path.parent):
            write_own_file(path, logins.model_dump_json(indent=1).encode() + b"\n", mode=0o600)
    except PermissionError:
        raise MaskdError(
            f"this user may not write {path}; run the command as maskd's user: sudo -u maskd maskd password"
        ) from None
    except OSError as error:
        raise MaskdError(f"{path} cannot be written: {error.strerror or error}; check that disk") from None


@contextmanager
def _as_owner_of(folder: Path) -> Iterator[None]:
    """Root writes as the user whose folder it is: maskd can then read the file, and no link that maskd's user has put
    there makes root write elsewhere."""
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


class LoginsFile:
    """The file as the running daemon sees it: read again whenever it is another one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark: tuple[int, int, int] | None = None
        self._logins = Logins()
        self._problem: str | None = None

    @property
    def logins(self) -> Logins:
        """From any thread. Of a file that cannot be read: without any login."""
        mark = self._look()
        if mark != self._mark:
            try:
                self._logins, self._problem = read_logins(self.path), None
            except MaskdError as error:
                self._logins, self._problem = Logins(), f"the page is off: {error}"
            self._mark = mark
        return self._logins

    @property
    def problem(self) -> str | None:
        """Why the file cannot be used, as a sentence for the status."""
        return self._problem

    def use_key(self) -> None:
        """The one-time key was used. Raises MaskdError where the disk refuses to note that."""
        write_logins(self.path, self.logins.model_copy(update={"key": None}))

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
