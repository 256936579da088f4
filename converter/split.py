"""Which photos train a model, which choose its thresholds, and which it never sees: decided by photo, never by face."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

Item = TypeVar("Item")
Part = Literal["train", "validation", "test"]
FRACTIONS: dict[Part, float] = {"train": 0.70, "validation": 0.15, "test": 0.15}


def split_by_photo(
    items: Sequence[Item], *, key: Callable[[Item], str], strata: Callable[[Item], Iterable[str]], seed: int = 1
) -> dict[Part, list[Item]]:
    """Splits photos 70/15/15, each stratum on its own.

    `key` names a photo for good, as "set/file.jpg"; `strata` gives the labels on it, and the rarest of these decides its
    stratum, so that every part gets its share of the rare class. The draw depends on the seed and the photo's name alone:
    neither the order of the files nor their number of faces moves a photo from one part to another.
    """
    counts: dict[str, int] = defaultdict(int)
    for item in items:
        for label in set(strata(item)):
            counts[label] += 1
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        rarest = min(set(strata(item)), key=lambda label: (counts[label], label), default="")
        groups[rarest].append(item)
    parts: dict[Part, list[Item]] = {"train": [], "validation": [], "test": []}
    for group in groups.values():
        drawn = sorted(group, key=lambda item: hashlib.sha256(f"{seed}/{key(item)}".encode()).digest())
        tests = round(len(drawn) * FRACTIONS["test"])
        validations = round(len(drawn) * FRACTIONS["validation"])
        parts["test"] += drawn[:tests]
        parts["validation"] += drawn[tests : tests + validations]
        parts["train"] += drawn[tests + validations :]
    return parts
