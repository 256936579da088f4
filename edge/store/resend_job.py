"""A resend that was asked for, how far it has come, and the file that keeps both over a restart."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.payloads.numbering import EPOCH_PATTERN
from edge.payloads.resend import Seq
from edge.system.atomic_file import write_own_file

NAME = "resend.json"
_log = logging.getLogger(__name__)


class ResendRequest(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    begin: Seq = Field(alias="from")
    end: Seq | None = Field(default=None, alias="to")
    """None: up to the newest event, through all epochs."""
    epoch: Annotated[str, Field(pattern=EPOCH_PATTERN)] | None = None
    """Of both numbers; None: the present one."""


class ResendJob(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    begin: Seq
    end: Seq | None
    epoch: Annotated[str, Field(pattern=EPOCH_PATTERN)]
    first_row: int
    last_row: int
    """Rows of the outbox, both included."""
    day: str
    """The day's file of the record in which it goes on."""
    row: int
    """In that file, events up to this row are done."""
    sent: int = 0
    refused: int = 0


class ResendFile:
    """Used by one thread. No error is raised: without the file, a restart ends a resend."""

    def __init__(self, folder: Path) -> None:
        """`folder`: `storage.path`."""
        self._path = folder / NAME

    def read(self) -> ResendJob | None:
        try:
            return ResendJob.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            _log.warning("%s cannot be read, so the resend in it does not go on; ask for it again", self._path)
            return None

    def write(self, job: ResendJob | None) -> None:
        """None: nothing is left to do."""
        with suppress(OSError):  # the disk's own problem is in the status
            if job is None:
                self._path.unlink(missing_ok=True)
            else:
                write_own_file(self._path, job.model_dump_json().encode() + b"\n")
