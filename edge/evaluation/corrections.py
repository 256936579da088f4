"""Corrections of published labels, kept apart from the photos, so that a set stays as it was published."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from edge.errors import MaskdError
from edge.evaluation.labelled import LabelledFace, LabelledPhoto, SplitName, read_photo
from edge.evaluation.labels.names import NO_FACE
from edge.evaluation.labels.photo_set import PhotoSet
from edge.geometry import Box

FILE_NAME = "corrections.json"
SHIPPED = Path(__file__).with_name(FILE_NAME)
"""Corrections of the public sets, by the name of the set."""

SAME_BOX_IOU = 0.8
"""Overlap from which a correction's box is the published one."""
ADDED_FACE_IOU = 0.5
"""An added face takes the place of an ignored one that it overlaps by this much."""

Text = Annotated[str, Field(min_length=1)]
AnyT = TypeVar("AnyT")


class Correction(BaseModel):
    """One entry of a corrections file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    photo: Text
    """See PhotoSet.key."""
    box: tuple[float, float, float, float] | None = None
    """The published x1, y1, x2, y2 in pixels of the photo; None: the only face of the photo."""
    label: Text
    """What the face shows, UNSURE or NO_FACE."""
    add: bool = False
    """The face was not labelled at all."""
    reason: str = ""

    @property
    def corners(self) -> list[int] | None:
        """The box in whole pixels, as files hold it."""
        return None if self.box is None else [round(value) for value in self.box]

    @model_validator(mode="after")
    def _box_where_needed(self) -> Correction:
        if self.box is not None and not Box(*self.box).area > 0:
            raise ValueError("the box is empty; it is x1, y1, x2, y2 in pixels")
        if self.add and (self.box is None or self.label == NO_FACE):
            raise ValueError("an added face needs its box, and a label")
        return self


@dataclass(frozen=True, slots=True)
class CorrectedParts:
    """The photos of a set with their corrections, how many faces changed, and a line for each one that fits none."""

    parts: dict[SplitName, list[LabelledPhoto]]
    count: int
    problems: list[str]


def apply_corrections(parts: Mapping[SplitName, Sequence[LabelledPhoto]], photo_set: PhotoSet) -> CorrectedParts:
    """The photos of a set as `split_photos` divided them, with the shipped corrections and those of the set's folder.

    They come after the split, which goes by the published labels: a correction moves no photo to another part. Of two
    corrections of one face the later counts, and the folder's come last. Raises MaskdError for a malformed file.
    """
    waiting = _by_photo(corrections_of(photo_set))
    corrected: dict[SplitName, list[LabelledPhoto]] = {name: [] for name in parts}
    count = 0
    problems: list[str] = []
    for name, photos in parts.items():
        for photo in photos:
            key = photo_set.key(photo.path)
            result, changed, unfitting = _corrected(photo, waiting.pop(key, []))
            corrected[name].append(result)
            count += changed
            problems.extend(f"correction of {photo_set.name}, {key}: {reason}" for reason in unfitting)
    problems.extend(f"correction of {photo_set.name}, {key}: the set has no such photo" for key in waiting)
    return CorrectedParts(corrected, count, problems)


def corrections_of(photo_set: PhotoSet) -> list[Correction]:
    """The shipped corrections of the photos that a set of this name still has, then those of the set's own folder.

    Raises MaskdError for a malformed file.
    """
    shipped = _read(SHIPPED, TypeAdapter(dict[str, list[Correction]]), {})
    own = _read(photo_set.path / FILE_NAME, TypeAdapter(list[Correction]), [])
    # People work with a part of a public set, too.
    here = [c for c in shipped.get(photo_set.name, []) if (photo_set.photos_folder / c.photo).is_file()]
    return here + own


def as_json(corrections: Iterable[Correction]) -> str:
    """The JSON list that a set's folder may hold, one entry a line."""
    lines = ",\n".join(f"  {_entry(correction)}" for correction in corrections)
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def _entry(correction: Correction) -> str:
    content = correction.model_dump(exclude_none=True)
    if not correction.add:
        del content["add"]
    if correction.box is not None:
        content["box"] = correction.corners
    return json.dumps(content, ensure_ascii=False)


def _by_photo(corrections: Iterable[Correction]) -> dict[str, list[Correction]]:
    grouped: dict[str, list[Correction]] = defaultdict(list)
    for correction in corrections:
        grouped[correction.photo].append(correction)
    return grouped


def _corrected(photo: LabelledPhoto, corrections: Sequence[Correction]) -> tuple[LabelledPhoto, int, list[str]]:
    """The photo, how many of its faces changed, and what fits no face."""
    if not corrections:
        return photo, 0, []
    labels = {index: face.label for index, face in enumerate(photo.faces)}
    added: dict[Box, str] = {}
    problems = []
    for correction in corrections:
        index = face_index(photo.faces, correction)
        if correction.add and index is None:
            assert correction.box is not None
            height, width = read_photo(photo.path).shape[:2]
            box = Box(*correction.box).clipped(width, height)
            if box.area > 0:
                added[box] = correction.label
            else:
                problems.append(f"the box {correction.corners} is outside a photo of {width}x{height}")
        elif correction.add:
            problems.append(f"the face at {correction.corners} is labelled already; leave `add` out")
        elif index is None and correction.box is None:
            problems.append("has not exactly one labelled face; give the published box")
        elif index is None:
            problems.append(f"no face is labelled at {correction.corners}; give the published box, or `add`")
        else:
            labels[index] = correction.label
    changed = sum(labels[index] != face.label for index, face in enumerate(photo.faces)) + len(added)
    kept = [LabelledFace(f.box, labels[i]) for i, f in enumerate(photo.faces) if labels[i] != NO_FACE]
    faces = (*kept, *(LabelledFace(box, label) for box, label in added.items()))
    ignored = tuple(box for box in photo.ignored if all(box.iou(face) < ADDED_FACE_IOU for face in added))
    return replace(photo, faces=faces, ignored=ignored), changed, problems


def face_index(faces: Sequence[LabelledFace], correction: Correction) -> int | None:
    """Which of a photo's published faces a correction means; None: none of them."""
    if correction.box is None:
        return 0 if len(faces) == 1 else None
    wanted = Box(*correction.box)
    overlap, index = max(((face.box.iou(wanted), index) for index, face in enumerate(faces)), default=(0.0, 0))
    return index if overlap >= SAME_BOX_IOU else None


def _read(path: Path, form: TypeAdapter[AnyT], missing: AnyT) -> AnyT:
    try:
        return form.validate_json(path.read_bytes())
    except FileNotFoundError:
        return missing
    except OSError as error:
        raise MaskdError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ", ".join(f"entry {part + 1}" if isinstance(part, int) else part for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise MaskdError(
            f"{path}{f', {place}' if place else ''}: {message}; "
            'an entry is {"photo": "name.jpg", "box": [x1, y1, x2, y2], "label": "with_mask", "reason": "why"}'
        ) from error
