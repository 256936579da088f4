"""Labelled photos, and how they are split."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from edge.camera.photos import read_photo as read_photo
from edge.geometry import Box

SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class LabelledFace:
    """A face that a person labelled; the box in pixels of the photo, clipped to it."""

    box: Box
    label: str


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo and the faces on it; `ignored` are faces without a usable label: neither faces nor background.

    `split` is the part that the photo's own folder names.
    """

    path: Path
    faces: tuple[LabelledFace, ...]
    ignored: tuple[Box, ...] = ()
    set_name: str = ""
    split: SplitName | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(face.label for face in self.faces)


class Labelled(Protocol):
    """What `split_photos` needs to know of a photo."""

    @property
    def path(self) -> Path: ...
    @property
    def set_name(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def split(self) -> SplitName | None: ...


LabelledT = TypeVar("LabelledT", bound=Labelled)


def split_photos(
    photos: Iterable[LabelledT], seed: int = 1, fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)
) -> dict[SplitName, list[LabelledT]]:
    """Divides photos into train, validation and test, each photo whole, in the same way every time.

    A stratum is the photos of one set whose rarest label is the same, so that every part gets its share of a rare label
    and a photo stays in its part whatever other sets it is combined with. Within it, photos are ordered by the hash of
    seed, set and file name: neither the order of `photos` nor the folder that the set lies in matters.

    Photos whose folder names their part stay in it; a part that no folder of their set names is drawn from those for
    training. Raises ValueError where the fractions do not sum to 1.
    """
    if min(fractions) < 0 or not math.isclose(sum(fractions), 1):
        raise ValueError(f"the fractions {fractions} should sum to 1")
    listed = list(photos)
    named: dict[str, set[SplitName]] = defaultdict(set)
    for photo in listed:
        if photo.split is not None:
            named[photo.set_name].add(photo.split)
    split: dict[SplitName, list[LabelledT]] = {"train": [], "validation": [], "test": []}
    strata: dict[tuple[str, str], list[LabelledT]] = defaultdict(list)
    for photo, label in zip(listed, _rarest_labels(listed), strict=True):
        if photo.split in ("validation", "test"):
            split[photo.split].append(photo)
        else:
            strata[photo.set_name, label].append(photo)

    def order(photo: Labelled) -> tuple[str, str]:
        name = f"{seed}/{photo.set_name}/{photo.path.name}"
        # Two class folders may hold files of the same name.
        return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest(), photo.path.parent.name

    for (set_name, _), members in strata.items():
        members.sort(key=order)
        test = 0 if "test" in named[set_name] else round(len(members) * fractions[2])
        validation = 0 if "validation" in named[set_name] else round(len(members) * fractions[1])
        split["test"] += members[:test]
        split["validation"] += members[test : test + validation]
        split["train"] += members[test + validation :]
    for part in split.values():
        part.sort(key=order)
    return split


def _rarest_labels(photos: Sequence[Labelled]) -> list[str]:
    """For each photo the one of its labels that its set has fewest of; empty where it has no face."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for photo in photos:
        counts[photo.set_name].update(photo.labels)

    def rarest(photo: Labelled) -> str:
        return min(photo.labels, key=lambda label: (counts[photo.set_name][label], label), default="")

    return [rarest(photo) for photo in photos]
