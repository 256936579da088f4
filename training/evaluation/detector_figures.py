"""How well a detector finds faces: figures with intervals, and what bounds them, from records of photos."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.evaluation.examples import MIN_FACE_HEIGHT_PX, SERVED_IOU, picture_result
from edge.evaluation.metrics import PictureMatches, PictureResult, match_picture
from edge.geometry import Box
from edge.vision.overlap import boxes_to_array, iou_matrix
from training.evaluation.intervals import Estimate, Resampling
from training.evaluation.records import PhotoRecord

IOUS = (0.5, 0.4, 0.3)
SLICED_HEIGHT_PX = 10
"""A face's height in the photo from which it enters the slices, which reach below what the figures ask for."""

PRECISION, RECALL = "precision", "recall"

SERVED_HEIGHTS = {"32 px and more": (32.0, math.inf), "16–32 px": (16.0, 32.0)}
"""Heights of faces in pixels of the photo, from and up to, by their name."""

BELOW_SCORE = "found, under the score"
OFF_PLACE = "box off or a neighbour's (IoU 0.3 and more)"
NO_BOX = "no box, {} px"
_NO_BOX_EDGES = ((MIN_FACE_HEIGHT_PX, 24), (24, 48), (48, None))
MISS_CAUSES = (
    BELOW_SCORE,
    OFF_PLACE,
    *(NO_BOX.format(f"{low}–{high}" if high else f"{low} and more") for low, high in _NO_BOX_EDGES),
)
FALSE_OFF_PLACE = "false: box off (IoU 0.3–0.5)"
FALSE_REPEAT = "false: a face found twice"
FALSE_NOTHING = "false: no labelled face"
FALSE_CAUSES = (FALSE_OFF_PLACE, FALSE_REPEAT, FALSE_NOTHING)


def matches_of(records: Sequence[PhotoRecord], name: str, iou: float = IOUS[0]) -> list[PictureMatches]:
    """The detections of `name` and the faces of MIN_FACE_HEIGHT_PX and more."""
    return [match_picture(picture_result(record.photo, record.found[name]), iou) for record in records]


def detector_figures(records: Sequence[PhotoRecord], name: str, min_score: float) -> dict[str, Estimate]:
    """Average precision at each of IOUS, and precision and recall at `min_score`, on photos with labelled faces."""
    draws = Resampling(len(records))
    by_iou = {iou: matches_of(records, name, iou) for iou in IOUS}
    figures = {f"AP{iou * 100:.0f}": draws.average_precision(matches) for iou, matches in by_iou.items()}
    matches = by_iou[IOUS[0]]
    kept = [picture.scores >= min_score for picture in matches]
    hits = [np.count_nonzero(picture.correct[sure]) for picture, sure in zip(matches, kept, strict=True)]
    figures[PRECISION] = draws.ratio(hits, [np.count_nonzero(sure) for sure in kept])
    figures[RECALL] = draws.ratio(hits, [picture.faces for picture in matches])
    return {key: figure for key, figure in figures.items() if figure is not None}


def served_figures(records: Sequence[PhotoRecord], name: str, min_score: float) -> dict[str, Estimate]:
    """What a user gets: recall at `min_score` and SERVED_IOU for each of SERVED_HEIGHTS, and precision where the range
    has no upper end: of a false box nothing says which face it was meant for."""
    draws = Resampling(len(records))
    figures: dict[str, Estimate | None] = {}
    for words, heights in SERVED_HEIGHTS.items():
        matches = [
            match_picture(
                picture_result(record.photo, [f for f in record.found[name] if f.score >= min_score], heights),
                SERVED_IOU,
            )
            for record in records
        ]
        hits = [np.count_nonzero(picture.correct) for picture in matches]
        figures[f"{RECALL}, {words}"] = draws.ratio(hits, [picture.faces for picture in matches])
        if heights[1] == math.inf:
            figures[f"{PRECISION}, {words}"] = draws.ratio(hits, [len(picture.correct) for picture in matches])
    return {key: figure for key, figure in figures.items() if figure is not None}


def false_faces(records: Sequence[PhotoRecord], name: str, min_score: float) -> Estimate:
    """False faces at `min_score` per 100 photos without people; the count is that of the photos."""
    counts = [sum(face.score >= min_score for face in record.found[name]) for record in records]
    rate = Resampling(len(records)).rate(counts)
    return Estimate(100 * rate.value, 100 * rate.low, 100 * rate.high, len(records))


def found_at(record: PhotoRecord, name: str) -> NDArray[np.float64]:
    """The score at which each labelled face of the photo was found, minus infinity where it was not; shape (faces,).

    Asks for every labelled face, those that are too small for the other figures as well.
    """
    found = record.found[name]
    everything = PictureResult(
        boxes=boxes_to_array([face.box for face in found]),
        scores=np.array([face.score for face in found], dtype=np.float32),
        truth=boxes_to_array([face.box for face in record.photo.faces]),
        ignored=boxes_to_array(record.photo.ignored),
    )
    return match_picture(everything).found_at


def miss_causes(records: Sequence[PhotoRecord], name: str, min_score: float) -> Counter[str]:
    """The faces of MIN_FACE_HEIGHT_PX and more that are not found at `min_score`, by cause.

    The first cause of MISS_CAUSES that holds counts; the boxes are those from the lowest score on.
    """
    causes: Counter[str] = Counter()
    for record, matches in zip(records, matches_of(records, name), strict=True):
        asked = [face.box for face in record.photo.faces if face.box.height >= MIN_FACE_HEIGHT_PX]
        boxes = boxes_to_array([face.box for face in record.found[name]])
        nearest = iou_matrix(boxes_to_array(asked), boxes).max(axis=1, initial=0)
        for box, score, overlap in zip(asked, matches.found_at, nearest, strict=True):
            if score < min_score:
                causes[_miss_cause(box, float(score), float(overlap))] += 1
    return causes


def false_causes(records: Sequence[PhotoRecord], name: str, min_score: float) -> Counter[str]:
    """The detections from `min_score` on that match no face, by what lies there."""
    causes: Counter[str] = Counter()
    for record in records:
        known = boxes_to_array([*(face.box for face in record.photo.faces), *record.photo.ignored])
        result = picture_result(record.photo, [face for face in record.found[name] if face.score >= min_score])
        matches = match_picture(result)
        nearest = iou_matrix(result.boxes, known).max(axis=1, initial=0)
        for overlap in nearest[matches.indices[~matches.correct]]:
            causes[FALSE_REPEAT if overlap >= 0.5 else FALSE_OFF_PLACE if overlap >= 0.3 else FALSE_NOTHING] += 1
    return causes


def _miss_cause(box: Box, score: float, overlap: float) -> str:
    if score > -np.inf:
        return BELOW_SCORE
    if overlap >= 0.3:
        return OFF_PLACE
    index = next(i for i, (_, high) in enumerate(_NO_BOX_EDGES) if high is None or box.height < high)
    return MISS_CAUSES[2 + index]
