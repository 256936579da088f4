"""How each face wears its mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Box
from edge.payloads.statuses import UNKNOWN
from edge.vision.cutouts import Cutout, cut_out
from edge.vision.model import Model, refuse
from edge.vision.pixels import Pixels, pixels_of
from edge.vision.preprocess import Image, crop_face
from edge.vision.tflite import Backend, InterpreterCache

_BATCH_SIZES = (4, 2, 1)
"""Faces that are classified in one go: a few sizes, so that each stays allocated. 8 would take 4 MB more for each
vision thread, and the same time for a face."""


@dataclass(frozen=True, slots=True)
class Classification:
    """What the classifier says of one face.

    `status` is a label of the model's manifest, or `unknown` where `confidence` is below the threshold.
    `confidence` is the highest probability, 0 to 1; `probabilities` holds every label's and sums to 1.
    """

    status: str
    confidence: float
    probabilities: Mapping[str, float]


class MaskClassifier:
    """A .tflite with one probability per label. Not to be shared between threads."""

    def __init__(
        self,
        model: Model,
        *,
        threads: int = 1,
        backend: Backend = "auto",
    ) -> None:
        """Raises MaskdError where the model does not have the form that its manifest promises."""
        manifest = model.manifest
        assert manifest.labels is not None
        assert manifest.crop_margin is not None
        if manifest.input.height != manifest.input.width:
            refuse(model.path, f"its input of {manifest.input.width}x{manifest.input.height} pixels is not square")
        self.identity = manifest.identity
        self.labels = tuple(manifest.labels)
        self.recommended_min_confidence = manifest.thresholds.min_confidence or 0.0
        self._size = manifest.input.width
        self._margin = manifest.crop_margin
        self._batch_sizes = _BATCH_SIZES if manifest.input.resizable else (1,)
        self._interpreters = InterpreterCache(lambda: model.interpreter(threads, backend), capacity=len(_BATCH_SIZES))
        output = self._interpreters.inspected().outputs[0]
        is_float = manifest.quantization is None
        fits = output.dtype == "float32" if is_float else output.dtype == "uint8" and output.scale > 0
        if output.shape != (1, len(self.labels)) or not fits:
            refuse(
                model.path,
                f"its output is {output.dtype} of shape {output.shape}, but its manifest's {len(self.labels)} labels "
                f"need {'float32' if is_float else 'quantized uint8'} of shape {(1, len(self.labels))}",
            )
        self._probabilities = None if is_float else output.dequantization_table()

    def classify(
        self, picture: Image | Pixels, boxes: Sequence[Box], *, min_confidence: float = 0.0
    ) -> list[Classification]:
        """One classification for each box, in pixels of the picture; below `min_confidence`, 0 to 1, it is `unknown`.
        Raises ValueError for a box off the picture."""
        return self.classify_crops(self.crop(picture, boxes), min_confidence=min_confidence)

    def cut_out(self, picture: Image | Pixels, box: Box) -> Cutout:
        """A copy of what `classify` looks at, to be classified later."""
        return cut_out(pixels_of(picture), box, margin=self._margin)

    def crop(self, picture: Image | Pixels, boxes: Sequence[Box]) -> NDArray[np.uint8]:
        """What the model sees of each face: shape (n, size, size, 3)."""
        crops = np.empty((len(boxes), self._size, self._size, 3), dtype=np.uint8)
        for crop, box in zip(crops, boxes, strict=True):
            cutout = self.cut_out(picture, box)
            crop[:] = crop_face(cutout.image(), cutout.box, margin=self._margin, size=self._size)
        return crops

    def classify_crops(self, crops: NDArray[np.uint8], *, min_confidence: float = 0.0) -> list[Classification]:
        """One classification for each crop of shape (n, size, size, 3) from `crop`."""
        classifications: list[Classification] = []
        for answers in self.run(crops):
            rows = answers if self._probabilities is None else self._probabilities[answers]
            classifications += [self._judge(row, min_confidence) for row in rows]
        return classifications

    def run(self, crops: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """The network's answers alone, in batches: a row of each has a value for each label."""
        return [
            self._interpreters.for_shape(batch.shape).run(batch)[0].values
            for batch in _batches(crops, self._batch_sizes)
        ]

    def _judge(self, row: NDArray[np.float32], min_confidence: float) -> Classification:
        # Rounded to 1/256 each, the probabilities add up to nearly 1 only.
        row = row / max(float(row.sum()), 1e-6)
        best = int(row.argmax())
        confidence = float(row[best])
        status = self.labels[best] if confidence >= min_confidence else UNKNOWN
        return Classification(status, confidence, dict(zip(self.labels, row.tolist(), strict=True)))


def _batches(crops: NDArray[np.uint8], sizes: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """Cut into the given sizes, largest first; the last size is 1, so that nothing is padded."""
    start = 0
    for size in sizes:
        while len(crops) - start >= size:
            yield crops[start : start + size]
            start += size
