"""Where the faces of a picture are."""

from __future__ import annotations

import functools
from bisect import bisect_left
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Box
from edge.vision.face_needs import DETECTABLE_PX
from edge.vision.model import Model, refuse
from edge.vision.overlap import iou_matrix
from edge.vision.preprocess import Image, Letterbox, fitted, letterbox
from edge.vision.tflite import Backend, InterpreterCache, Output, TensorInfo

NMS_IOU = 0.5
"""Overlap from which two boxes are the same face: lower loses neighbours in a crowd, higher counts a face twice."""
_TOGETHER = 128
"""Boxes that are compared with each other at a time."""
MOST_FACES = 300
"""No picture that a detector can resolve shows more; bounds the work where a threshold is set absurdly low."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face that a detector found: its box in pixels of the picture, and how sure the detector is, 0 to 1."""

    box: Box
    score: float


class FaceDetector(Protocol):
    """Finds faces. Not to be shared between threads."""

    @property
    def identity(self) -> str:
        """Name and version, as in events: `face-detector/1.0.0`."""
        ...

    @property
    def recommended_min_score(self) -> float:
        """The score, 0 to 1, from which a face counts unless the configuration says otherwise."""
        ...

    def detect(self, image: Image, min_score: float) -> list[Face]:
        """Faces of at least `min_score`, best first, without repeats; boxes lie on the picture and have an area."""
        ...


class TfliteFaceDetector:
    """maskd's own kind of detector: a fully convolutional .tflite with a score map and a box map per stride."""

    def __init__(
        self,
        model: Model,
        *,
        threads: int = 1,
        backend: Backend = "auto",
        nms_iou: float = NMS_IOU,
    ) -> None:
        """Raises MaskdError where the model does not have the form that its manifest promises."""
        manifest = model.manifest
        assert manifest.stride is not None
        assert manifest.strides is not None
        self.identity = manifest.identity
        self.recommended_min_score = 0.5 if manifest.thresholds.min_score is None else manifest.thresholds.min_score
        self._base = (manifest.input.height, manifest.input.width)
        self._stride = manifest.stride
        self._strides = manifest.strides
        self._resizable = manifest.input.resizable
        self._nms_iou = nms_iou
        self._interpreters = InterpreterCache(lambda: model.interpreter(threads, backend))
        try:
            outputs = self._interpreters.inspected().outputs
            is_quantized = manifest.quantization is not None
            self._levels = [
                find_level(outputs, self._base, stride, is_quantized=is_quantized) for stride in self._strides
            ]
        except ValueError as error:
            refuse(model.path, str(error))

    def detect(self, image: Image, min_score: float) -> list[Face]:
        return self.find(self.prepare(image), min_score)

    def smallest_face_px(self, width: int, height: int) -> float:
        shape = self._input_shape(width, height)
        return DETECTABLE_PX / min(shape[0] / height, shape[1] / width, 1.0)

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        shape = self._input_shape(width, height)
        return fitted(width, height, shape[1], shape[0])

    def prepare(self, image: Image) -> Letterbox:
        return laid_into_input(image, self._base, resizable=self._resizable, stride=self._stride)

    def _input_shape(self, width: int, height: int) -> tuple[int, int]:
        """Height and width."""
        if not self._resizable:
            return self._base
        return best_input_shape(width, height, base=self._base, stride=self._stride)

    def run(self, prepared: Letterbox) -> list[Output]:
        """The network's answers alone."""
        return self._interpreters.for_shape((1, *prepared.image.shape)).run(prepared.image[None])

    def find(self, prepared: Letterbox, min_score: float) -> list[Face]:
        """The faces of a picture from `prepare`, in pixels of the source; see `detect`."""
        outputs = self.run(prepared)
        size = prepared.image.shape[:2]
        decoded = [level.decode(outputs, size, min_score) for level in self._levels]
        boxes = np.concatenate([boxes for boxes, _ in decoded])
        scores = np.concatenate([scores for _, scores in decoded])
        kept = suppress_repeats(boxes, scores, max_iou=self._nms_iou, limit=MOST_FACES)
        found = np.asarray(boxes[kept] / prepared.scale, dtype=np.float32)
        return faces_on_picture(found, scores[kept], prepared.source_size)


_NO_BOXES, _NO_SCORES = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Level:
    """The score map and the box map of one stride: where they are among the outputs, and what their values mean."""

    stride: int
    score_output: int
    box_output: int
    probabilities: NDArray[np.float32] | None
    """Probability of each uint8 value of the score map, shape (256,); None: the map is float32."""
    box_values: NDArray[np.float32] | None
    """Real value of each uint8 value of the box map, shape (256,); None: the map is float32."""

    def decode(
        self, outputs: list[Output], input_size: tuple[int, ...], min_score: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (n, 4) in pixels of the model's input and scores (n,) of the cells of at least `min_score`."""
        scores = outputs[self.score_output].values.reshape(-1)
        # Compared as stored: most cells hold no face, and need no arithmetic at all.
        least: np.float32 | np.uint16 = np.float32(min_score)
        if self.probabilities is not None:
            least = np.uint16(bisect_left(self.probabilities, least))
        cells = np.flatnonzero(scores >= least)
        if not cells.size:
            return _NO_BOXES, _NO_SCORES
        values = outputs[self.box_output].values.reshape(-1, 4)[cells]
        if self.box_values is not None:
            values = self.box_values[values]
        boxes = decode_boxes(cells, values, columns=input_size[1] // self.stride, stride=self.stride)
        return boxes, scores[cells] if self.probabilities is None else self.probabilities[scores[cells]]


def find_level(
    outputs: tuple[TensorInfo, ...], input_size: tuple[int, int], stride: int, *, is_quantized: bool = True
) -> Level:
    """The level of `stride`, by the shapes of its maps: their order in the file means nothing.

    `input_size` is the (height, width) that `outputs` belong to; `is_quantized`: they are uint8, not float32. Raises
    ValueError where a map is missing.
    """
    grid = (1, input_size[0] // stride, input_size[1] // stride)

    def only(channels: int, what: str) -> int:
        found = [index for index, info in enumerate(outputs) if info.shape == (*grid, channels)]
        if len(found) != 1:
            shapes = ", ".join(str(info.shape) for info in outputs)
            raise ValueError(
                f"it needs one {what} map of shape {(*grid, channels)} for stride {stride}, but its outputs are "
                f"{shapes}"
            )
        info = outputs[found[0]]
        fits = info.dtype == "uint8" and info.scale > 0 if is_quantized else info.dtype == "float32"
        if not fits:
            needed = "quantized uint8" if is_quantized else "float32"
            raise ValueError(f"its {what} map for stride {stride} is {info.dtype}, but must be {needed}")
        return found[0]

    score_output, box_output = only(1, "score"), only(4, "box")
    return Level(
        stride,
        score_output,
        box_output,
        probabilities=_table(outputs[score_output]),
        box_values=_table(outputs[box_output]),
    )


def _table(info: TensorInfo) -> NDArray[np.float32] | None:
    return None if info.dtype == "float32" else info.dequantization_table()


def decode_boxes(
    cells: NDArray[np.intp], values: NDArray[np.float32], *, columns: int, stride: int
) -> NDArray[np.float32]:
    """Boxes (n, 4), rows of x1, y1, x2, y2 in pixels of the model's input.

    `cells` (n,) count along the rows of a grid of `columns`; `values` (n, 4) are a cell's (dx, dy, log w, log h): how
    far the face's centre lies from the cell's, and its size, in units of the stride.
    """
    cell_centers = np.stack([cells % columns, cells // columns], axis=1) + np.float32(0.5)
    centers = (cell_centers + values[:, :2]) * stride
    # No face is e^8 strides wide; the cap keeps a map gone wrong from overflowing.
    half_sizes = np.exp(np.minimum(values[:, 2:], 8)) * (stride / 2)
    return np.asarray(np.concatenate([centers - half_sizes, centers + half_sizes], axis=1), dtype=np.float32)


def laid_into_input(image: Image, base: tuple[int, int], *, resizable: bool = True, stride: int = 32) -> Letterbox:
    """The picture as a detector of the input `base`, (height, width) in pixels, sees it: laid into the shape that shows
    it largest, or into `base` itself where the detector takes no other."""
    height, width = base
    if resizable:
        height, width = best_input_shape(image.shape[1], image.shape[0], base=base, stride=stride)
    return letterbox(image, width, height)


@functools.lru_cache(maxsize=64)
def best_input_shape(
    width: int, height: int, *, base: tuple[int, int] = (256, 320), stride: int = 32
) -> tuple[int, int]:
    """The (height, width) that shows a picture of `width` x `height` pixels largest, at no more pixels than `base`.

    Both are multiples of `stride`; of shapes that show it equally large, the one with the fewest pixels.
    """
    cells = base[0] * base[1] // stride**2
    shapes = [
        (rows * stride, columns * stride) for rows in range(1, cells + 1) for columns in range(1, cells // rows + 1)
    ]
    return max(shapes, key=lambda shape: (min(shape[0] / height, shape[1] / width), -shape[0] * shape[1]))


def suppress_repeats(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], *, max_iou: float, limit: int
) -> NDArray[np.intp]:
    """Indices of the boxes to keep, best first, at most `limit`: greedy non-maximum suppression.

    `boxes` are rows of x1, y1, x2, y2, shape (n, 4); a box that overlaps a better kept one by more than `max_iou` goes.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept = np.zeros(0, dtype=np.intp)
    # Many at a time, which costs a tenth of one at a time, but not all: the matrix grows with their square.
    while waiting.size and kept.size < limit:
        some, waiting = waiting[:_TOGETHER], waiting[_TOGETHER:]
        if kept.size:
            some = some[(iou_matrix(boxes[kept], boxes[some]) <= max_iou).all(axis=0)]
        kept = np.concatenate([kept, some[_without_repeats(iou_matrix(boxes[some], boxes[some]) > max_iou)]])
    return kept[:limit]


def _without_repeats(repeats: NDArray[np.bool_]) -> list[int]:
    """Which to keep of boxes, best first: `repeats` says which one is the same as which."""
    kept: list[int] = []
    dropped: set[int] = set()
    for index, same in enumerate(repeats):
        if index not in dropped:
            kept.append(index)
            dropped.update(np.flatnonzero(same).tolist())
    return kept


def faces_on_picture(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], picture_size: tuple[int, int]
) -> list[Face]:
    """Faces from rows of x1, y1, x2, y2 and their scores, cut to a picture of (width, height); those off it go."""
    faces = []
    for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True):
        box = Box(x1, y1, x2, y2).clipped(*picture_size)
        if box.width >= 1 and box.height >= 1:
            faces.append(Face(box, score))
    return faces
