"""The current number, kept next to the database in case that becomes unreadable."""

from __future__ import annotations

import os
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.payloads.numbering import MAX_SEQ, Counted

_LONGEST = 400
"""More bytes than the file ever has."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Rows of the outbox, and the numbers that the events in them are published under; 0 where nothing is known."""

    given: int = 0
    """No higher row was given, or was about to be given, at the last durable write."""
    committed: int = 0
    """Rows up to this one were committed to the database."""
    acknowledged: int = 0
    """Every row up to this one has been acknowledged, or was given up."""
    given_seq: int = 0
    """The number of the event in the row `given`."""
    committed_seq: int = 0
    """The same of `committed`."""
    epoch: str = ""
    """Of both; empty: not known."""
    lost: int = 0
    """Events given up in the outbox's life, those among them that a full disk did not let the database count."""
    exact: bool = False
    """Written since the last boot, so that nothing written later can be missing."""
    written_at: int = 0
    """Nanoseconds since 1970 by the system's clock, at the moment of writing."""

    @property
    def highest(self) -> Counted:
        """What numbering goes on from where the database does not tell: a gap is better than a number given twice."""
        given = Counted(self.given, self.given_seq, self.epoch)
        committed = Counted(self.committed, self.committed_seq, self.epoch)
        return committed if self.exact or given.row <= committed.row else given


class SeqFile:
    """One line of constant length, written in place, so that a full disk does not stop it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self.boot = _boot_id()
        """36 characters that change with each start of the machine."""

    def open(self) -> None:
        """Raises OSError."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self) -> Numbers:
        """Zeros where nothing readable was ever written. Raises OSError."""
        assert self._descriptor is not None, "open() comes first"
        line = os.pread(self._descriptor, _LONGEST, 0)
        with suppress(ValueError):
            body, checksum = line.rstrip(b"\n").rsplit(b" ", 1)
            if int(checksum, 16) == zlib.crc32(body):
                *texts, epoch, boot = body.decode("ascii").split(" ")
                given, committed, acknowledged, given_seq, committed_seq, lost, written_at = map(int, texts)
                if max(given, committed, acknowledged, given_seq, committed_seq, lost) < MAX_SEQ:
                    exact = boot == self.boot != _UNKNOWN_BOOT
                    epoch = "" if epoch == _UNKNOWN_EPOCH else epoch
                    return Numbers(
                        given, committed, acknowledged, given_seq, committed_seq, epoch, lost, exact, written_at
                    )
        return Numbers()

    def write(self, numbers: Numbers, *, durable: bool) -> None:
        """`durable`: returns once the numbers are on the disk; else they outlive this process, not a power cut.
        Raises OSError."""
        assert self._descriptor is not None, "open() comes first"
        rows = (numbers.given, numbers.committed, numbers.acknowledged)
        # Not time.time(): this is to be compared with the times that the system gives files.
        now = time.clock_gettime_ns(time.CLOCK_REALTIME)
        counts = (*rows, numbers.given_seq, numbers.committed_seq, numbers.lost, now)
        texts = [f"{count:020}" for count in counts]
        body = " ".join([*texts, numbers.epoch or _UNKNOWN_EPOCH, self.boot]).encode("ascii")
        os.pwrite(self._descriptor, b"%s %08x\n" % (body, zlib.crc32(body)), 0)
        if durable:
            os.fdatasync(self._descriptor)

    def was_put_back(self, numbers: Numbers) -> bool:
        """Whether the file was written by another program than maskd, as by one that restores a backup. `numbers`: what
        it holds. Raises OSError."""
        assert self._descriptor is not None, "open() comes first"
        status = os.fstat(self._descriptor)
        if not numbers.written_at:
            return False
        # A copy that keeps the times of files cannot set the time of the last change to their state; another copy has
        # its own time of writing.
        kept_times = status.st_ctime_ns - status.st_mtime_ns > _KEPT_TIMES_NS
        late_ns = status.st_mtime_ns - numbers.written_at
        return kept_times or late_ns > (_COPIED_NS if numbers.exact else _COPIED_AFTER_POWER_CUT_NS)


_KEPT_TIMES_NS = 2_000_000_000
_COPIED_NS = 2_000_000_000
_COPIED_AFTER_POWER_CUT_NS = 120_000_000_000
"""After a power cut the file's time may be newer than what it holds, by as long as Linux keeps pages unwritten."""
_UNKNOWN_EPOCH = "-" * 12
_UNKNOWN_BOOT = "-" * 36


def _boot_id() -> str:
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return _UNKNOWN_BOOT
    return text if len(text) == len(_UNKNOWN_BOOT) and " " not in text else _UNKNOWN_BOOT
