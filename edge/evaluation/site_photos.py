"""The labelled photos of a site, as `maskd tune` measures on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import MaskdError
from edge.evaluation.examples import PhotoData, load_sets
from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.evaluation.labels.layout import find_sets
from edge.evaluation.labels.names import LabelNames
from edge.geometry import Box
from edge.vision.pipeline import Vision
from edge.vision.preprocess import Image
from edge.vision.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class SitePhotos:
    """Photos by what they can tell: `boxed` show every face that there is, `portraits` one face and its label."""

    boxed: list[LabelledPhoto] = field(default_factory=list)
    portraits: list[LabelledPhoto] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    read: PhotoData = field(default_factory=PhotoData)
    """How the folders were read; without the photos."""

    @property
    def faces(self) -> list[LabelledFace]:
        return [face for photo in (*self.boxed, *self.portraits) for face in photo.faces]


def read_site(
    data: Sequence[Path], vision: Vision, current: Thresholds, label_map: Mapping[str, str] | None = None
) -> SitePhotos:
    """Every photo of these folders; `label_map` says what labels of other names mean. Raises MaskdError where a folder
    is missing, its labels cannot be read, or no photo can be used."""
    names = LabelNames(vision.classifier.labels, label_map)
    layout = find_sets(data, names)
    site = SitePhotos(read=PhotoData(sets=layout.sets, names=names, not_looked_at=layout.not_looked_at))
    min_score = min(current.min_score, vision.detector.recommended_min_score)

    def find_faces(image: Image) -> list[Box]:
        found = vision.detector.detect(image, min_score)
        return [face.box for face in found if face.box.height >= current.min_face_px]

    for photo_set in layout.sets:
        loaded = load_sets([photo_set], seed=0, find_faces=find_faces, names=names)
        photos = sorted((photo for part in loaded.splits.values() for photo in part), key=lambda photo: photo.path)
        (site.portraits if photo_set.kind == "classes" else site.boxed).extend(photos)
        site.problems.extend(loaded.problems)
    if not site.boxed and not site.portraits:
        raise MaskdError(f"no photo in {', '.join(map(str, data))} can be used: {site.problems[0]}")
    return site
