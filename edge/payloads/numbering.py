"""What an event's number is made of: the epoch, and the count within it."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

EPOCH_PATTERN = "^[0-9a-f]{12}$"
MAX_SEQ = 2**62
"""No device gets there."""
_EPOCH = re.compile(EPOCH_PATTERN)


@dataclass(frozen=True, slots=True)
class Counted:
    """How far the numbering had come at some moment."""

    row: int = 0
    """The outbox's own count of its events, which goes on through all epochs."""
    seq: int = 0
    """The number that this event was published under; 0: none yet in this epoch."""
    epoch: str = ""
    """Empty: not known."""


def new_epoch() -> str:
    """12 hexadecimal digits, which no other device and no copy of this one comes upon."""
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class Published:
    """What an event was published under."""

    epoch: str
    seq: int
    durable: bool


def published(payload: bytes) -> Published | None:
    """None for what is not an event."""
    try:
        event = json.loads(payload)
        epoch, seq, durable = event["epoch"], event["seq"], event["durable"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    is_epoch = isinstance(epoch, str) and _EPOCH.match(epoch)
    is_number = type(seq) is int and 0 < seq <= MAX_SEQ
    return Published(epoch, seq, durable is True) if is_epoch and is_number else None


def counted(row: int, payload: bytes) -> Counted | None:
    """Of an event that is in the outbox, or in the record; None for anything else, and for one that is not durable."""
    event = published(payload)
    return Counted(row, event.seq, event.epoch) if event is not None and event.durable else None


def latest(found: Iterable[Counted | None]) -> Counted:
    """The one that is furthest; of several that are, one whose epoch is known."""
    return max((one for one in found if one is not None), key=lambda one: (one.row, one.epoch != ""), default=Counted())
