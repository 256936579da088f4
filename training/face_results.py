"""The figures that a detector's training run reports of itself; `training/evaluation/` compares models of any kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.verify import LOWEST_SCORE, MapsOfStride, faces_from_maps
from edge.evaluation.examples import picture_result
from edge.evaluation.labelled import LabelledPhoto, read_photo
from edge.evaluation.metrics import PictureResult, average_precision
from edge.vision.faces import NMS_IOU, Face, laid_into_input
from edge.vision.preprocess import Image, Letterbox
from training.face_network import STRIDES


@dataclass(frozen=True, slots=True)
class KerasFaceDetector:
    """A detector before conversion, run as the daemon will run it."""

    network: Any
    """Takes pictures whose sides are multiples of 32, whatever they are."""
    base: tuple[int, int]
    """Height and width of the device's input, in pixels."""
    resizable: bool = True
    """Whether it runs on the shape that shows a picture largest."""
    nms_iou: float = NMS_IOU
    identity: str = "face-detector (Keras)"
    recommended_min_score: float = 0.5

    def detect(self, image: Image, min_score: float) -> list[Face]:
        """Faces of at least `min_score`, best first, in pixels of the picture."""
        laid, levels = self.run(image)
        return faces_from_maps(levels, laid, min_score, nms_iou=self.nms_iou)

    def run(self, image: Image) -> tuple[Letterbox, list[MapsOfStride]]:
        """The picture as it was shown to the network, and the network's answers."""
        laid = laid_into_input(image, self.base, resizable=self.resizable)
        maps = self.network(laid.image[None].astype(np.float32), training=False)
        return laid, [(s, np.asarray(maps[f"score_{s}"]), np.asarray(maps[f"box_{s}"])) for s in STRIDES]


def detector_results(detector: Any, photos: Iterable[LabelledPhoto]) -> dict[str, list[PictureResult]]:
    """A detector's results on photos, by the set that they belong to."""
    results: dict[str, list[PictureResult]] = {}
    for photo in photos:
        found = detector.detect(read_photo(photo.path), LOWEST_SCORE)
        results.setdefault(photo.set_name, []).append(picture_result(photo, found))
    return results


def detector_metrics(results: dict[str, list[PictureResult]], min_score: float) -> dict[str, Any]:
    """AP at IoU 0.5 of each set with faces, and false faces per 100 photos of each set without, at `min_score`."""
    figures: dict[str, Any] = {}
    for name, pictures in results.items():
        curve = average_precision(pictures)
        if curve.faces:
            precision, recall = curve.at_score(min_score)
            figures[name] = {
                "photos": len(pictures),
                "faces": curve.faces,
                "ap50": curve.ap,
                "min_score": min_score,
                "precision": precision,
                "recall": recall,
            }
        else:
            false_faces = sum(int((picture.scores >= min_score).sum()) for picture in pictures)
            figures[name] = {
                "photos": len(pictures),
                "min_score": min_score,
                "false_faces_per_100": 100 * false_faces / max(1, len(pictures)),
            }
    return figures
