"""UUIDs that sort by time: RFC 9562, version 7. Python has its own from 3.14 on."""

from __future__ import annotations

import secrets
import threading
from uuid import UUID

_RANDOM_BITS = 74
_STEP_BITS = 32
"""Ids of one millisecond step by up to 2^32, so that the next one cannot be guessed (RFC 9562, 6.2, method 2)."""

_lock = threading.Lock()
_last = 0
"""The latest id's 48 bits of milliseconds and 74 random bits, as one number."""


def uuid7(now_ms: int) -> UUID:
    """A new id for `now_ms` milliseconds since 1970; within one process each is greater than the one before, also
    where the clock steps back."""
    global _last
    with _lock:
        fresh = (now_ms << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        following = _last + 1 + secrets.randbits(_STEP_BITS)
        # The same millisecond (or an earlier one) goes on from the last id; a carry then spills into the milliseconds.
        _last = fresh if now_ms > _last >> _RANDOM_BITS else following
        milliseconds, random = _last >> _RANDOM_BITS, _last & ((1 << _RANDOM_BITS) - 1)
    version, variant = 0x7, 0b10
    random_a, random_b = random >> 62, random & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | (version << 76) | (random_a << 64) | (variant << 62) | random_b)
