"""Under which licence the photos are that a model learns from, as far as one is stated."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from converter.card import read_card
from edge.errors import MaskdError, UsageError
from edge.evaluation.examples import PhotoData
from edge.evaluation.labelled import LabelledPhoto
from edge.evaluation.labels.photo_set import PhotoSet
from edge.vision.model import TrainingData

NONE_STATED = "none stated"
TABLE = Path(__file__).with_name("licences.yaml")
"""The licences of the public sets, by the name of the set."""

_FILE = re.compile(r"(licen[cs]e|copying)(\.(txt|md))?", re.IGNORECASE)
"""The file in a set's folder that states its licence."""
_NO_PRODUCTS = re.compile(r"\bresearch\b|\bacademic\b|non-?\s?commercial\b|\bNC\b", re.IGNORECASE)
_TITLE_CHARACTERS = 500
"""Of a licence's text: what holds its title."""


@dataclass(frozen=True, slots=True)
class Licence:
    """What is stated of photos; `source` is where they come from, where that is known."""

    text: str = NONE_STATED
    source: str | None = None
    allows_products: bool = False
    """A licence is stated, and it is not one for research or for non-commercial use alone."""


class _KnownPhotos(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    photos: str = "*"
    source: str
    licence: str | None


_Key: TypeAlias = tuple[str, Licence]


class Licences:
    """The licences of the photos of some sets: the file in a set's own folder counts before the table."""

    def __init__(self, sets: Iterable[PhotoSet]) -> None:
        self._own = {found.path: own_licence(found.path) for found in sets}

    def of(self, photo: LabelledPhoto) -> Licence:
        """Raises MaskdError for a licence file that cannot be read."""
        folder = next((folder for folder in photo.path.parents if folder in self._own), None)
        own = self._own[folder] if folder else None
        return own or public_licence(photo.set_name, photo.path.name)


def own_licence(folder: Path) -> Licence | None:
    """What `licence.txt`, `LICENSE` or the like in a set's folder says first: its first lines, up to an empty one.

    None where there is no such file, or an empty one. Raises MaskdError where it cannot be read.
    """
    try:
        path = next((path for path in sorted(folder.iterdir()) if _FILE.fullmatch(path.name) and path.is_file()), None)
        text = "" if path is None else path.read_text(encoding="utf-8-sig", errors="replace").strip()
    except OSError as error:
        raise MaskdError(f"the licence in {folder} cannot be read: {error.strerror}") from None
    if not text:
        return None
    title = re.split(r"\n\s*\n", text)[0].splitlines()
    shown = ", ".join(line.strip().strip("#*= ") for line in title)[:100]
    return Licence(shown, None, not _NO_PRODUCTS.search(text[:_TITLE_CHARACTERS]))


def public_licence(set_name: str, photo: str) -> Licence:
    """What the table says of a photo's file name in a set of this name."""
    known = next((each for each in _table().get(set_name, []) if fnmatchcase(photo, each.photos)), None)
    if known is None:
        return Licence()
    if known.licence is None:
        return Licence(source=known.source)
    return Licence(known.licence, known.source, not _NO_PRODUCTS.search(known.licence))


def keep_licensed(data: PhotoData, licences: Licences) -> None:
    """Leaves out, and prints, the photos whose licence is not stated or allows no products. Raises MaskdError where
    none is left to learn from."""
    dropped: Counter[_Key] = Counter()
    for split, photos in data.splits.items():
        dropped.update(_key(photo, licences) for photo in photos if not licences.of(photo).allows_products)
        data.splits[split] = [photo for photo in photos if licences.of(photo).allows_products]
    for (name, licence), count in sorted(dropped.items(), key=lambda item: item[0][0]):
        print(f"left out by --licensed-only: {name}, {count} photos, licence: {licence.text}")
    if not data.splits["train"]:
        raise MaskdError(
            "--licensed-only leaves no photo to train on; if you know the licence of a set, write it into a file "
            "licence.txt in the set's folder"
        )


def require_licensed(models: Iterable[Path]) -> None:
    """Raises UsageError where a model that a training starts from or listens to learnt from other photos than those
    that `keep_licensed` keeps, or does not say what it learnt from."""
    for path in models:
        learnt = _learnt_before(path)
        if not learnt:
            raise UsageError(f"--licensed-only: {path} has no card next to it that lists its training photos")
        for each in learnt:
            if each.licence == NONE_STATED or _NO_PRODUCTS.search(each.licence):
                raise UsageError(f"--licensed-only: {path} was trained on {each.name}, licence: {each.licence}")


def learnt_from(photos: Iterable[LabelledPhoto], licences: Licences, models: Sequence[Path]) -> list[TrainingData]:
    """What a model learnt from: these photos, and what the models learnt from that it started from or listened to."""
    counts = Counter(_key(photo, licences) for photo in photos)
    learnt = [
        TrainingData(name=name, photos=count, licence=licence.text, source=licence.source)
        for (name, licence), count in counts.items()
    ]
    most: dict[tuple[str, str], TrainingData] = {}
    for each in (*learnt, *(each for model in models for each in _learnt_before(model))):
        before = most.get((each.name, each.licence))
        # The same photos as before, or a part of them.
        if before is None or before.photos < each.photos:
            most[each.name, each.licence] = each
    return [most[key] for key in sorted(most)]


def print_licences(learnt: Iterable[TrainingData]) -> None:
    """A line for each set, as the model's card and manifest will have it."""
    for each in learnt:
        print(f"licence of {each.name}: {each.licence}" + (f" ({each.source})" if each.source else ""))
    print(flush=True)


def _key(photo: LabelledPhoto, licences: Licences) -> _Key:
    return photo.set_name, licences.of(photo)


def _learnt_before(model: Path) -> tuple[TrainingData, ...]:
    card = read_card(model)
    return card.training_data if card else ()


@functools.cache
def _table() -> dict[str, list[_KnownPhotos]]:
    return TypeAdapter(dict[str, list[_KnownPhotos]]).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))
