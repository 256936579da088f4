"""Face detectors that OpenCV runs, from files that the user supplies: YuNet and the res10 SSD."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.face_needs import DETECTABLE_PX
from edge.vision.faces import MOST_FACES, NMS_IOU, Face, best_input_shape, faces_on_picture, suppress_repeats
from edge.vision.preprocess import Image, Letterbox, fitted, letterbox

_RES10_SIZE = 300
_RES10_SMALLEST_PX = 32.0
"""Height of a face in its input; it misses most of the smaller ones (docs/models.md)."""
_RES10_MEAN_BGR = (104.0, 177.0, 123.0)
"""The colour that the network was trained to see as zero, from the model's own definition in OpenCV's samples."""


class YuNetFaceDetector:
    """YuNet through cv2.FaceDetectorYN, on the picture scaled to at most 256x320 pixels of any proportions."""

    recommended_min_score = 0.6

    def __init__(self, path: Path, *, nms_iou: float = NMS_IOU, longer_side: int | None = None) -> None:
        """`path`: the .onnx file. Raises MaskdError where it is missing or this OpenCV cannot run it.

        `longer_side`: that of the picture as YuNet sees it, in pixels, in place of the 256x320 of any proportions.
        """
        _require_file(path, "face_detection_yunet_2023mar.onnx from OpenCV's model zoo")
        if not hasattr(cv2, "FaceDetectorYN"):
            raise MaskdError(
                f"OpenCV {cv2.__version__} was built without FaceDetectorYN, which YuNet needs; install "
                "opencv-python-headless, or use maskd's own detector (detector.kind tflite)"
            )
        self.identity = f"yunet/{path.stem}"
        self._longer_side = longer_side
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.5, nms_iou, MOST_FACES)
        except cv2.error as error:
            raise _refused(
                path, ("a YuNet .onnx file that it supports (OpenCV 4 needs the 2023mar one)"), error
            ) from error

    def detect(self, image: Image, min_score: float) -> list[Face]:
        found, prepared = self._run(image, min_score, self._longer_side)
        boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:4]], axis=1) / np.float32(prepared.scale)
        return faces_on_picture(boxes, found[:, 14], prepared.source_size)

    def smallest_face_px(self, width: int, height: int) -> float:
        shape = _input_shape(width, height, self._longer_side)
        return DETECTABLE_PX / min(shape[0] / height, shape[1] / width, 1.0)

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        shape = _input_shape(width, height, self._longer_side)
        return fitted(width, height, shape[1], shape[0])

    def landmarks(
        self, image: Image, min_score: float, *, longer_side: int | None = None
    ) -> list[tuple[Box, NDArray[np.float32]]]:
        """Each face's box and five points, best first: eyes, nose and corners of the mouth, the left ones (as the
        viewer sees them) first; shape (5, 2), in pixels of the picture. `longer_side`: for this picture alone."""
        found, prepared = self._run(image, min_score, longer_side or self._longer_side)
        rows = found / np.float32(prepared.scale)
        return [(Box(x, y, x + w, y + h), row[4:14].reshape(5, 2)) for row in rows for x, y, w, h in [row[:4].tolist()]]

    def _run(self, image: Image, min_score: float, longer_side: int | None) -> tuple[NDArray[np.float32], Letterbox]:
        """Rows of x, y, width, height, five landmarks and score, best first, in pixels of the network's input."""
        height, width = _input_shape(image.shape[1], image.shape[0], longer_side)
        prepared = letterbox(image, width, height)
        self._network.setInputSize((width, height))
        self._network.setScoreThreshold(min_score)
        _, rows = self._network.detect(cv2.cvtColor(prepared.image, cv2.COLOR_RGB2BGR))
        found = np.zeros((0, 15), dtype=np.float32) if rows is None else np.asarray(rows, dtype=np.float32)
        return found[np.argsort(-found[:, 14], kind="stable")], prepared


class Res10FaceDetector:
    """The 300x300 res10 SSD through cv2.dnn, on the whole picture stretched to a square, as it was trained."""

    recommended_min_score = 0.5

    def __init__(self, path: Path, *, nms_iou: float = NMS_IOU) -> None:
        """`path`: the .pb file, with its .pbtxt next to it. Raises MaskdError where one is missing or cannot be
        read."""
        remedy = "opencv_face_detector_uint8.pb and opencv_face_detector.pbtxt from OpenCV's DNN samples"
        _require_file(path, remedy)
        if path.suffix != ".pb":
            raise MaskdError(
                f"{path} is not the TensorFlow version of the res10 SSD, and OpenCV 5 cannot read Caffe models; "
                f"give {remedy}"
            )
        graph = next((p for p in _pbtxt_candidates(path) if p.is_file()), None)
        if graph is None:
            raise MaskdError(f"the graph {path.with_suffix('.pbtxt')} for {path} is missing; give {remedy}")
        self.identity = f"res10/{path.stem}"
        self._nms_iou = nms_iou
        try:
            self._network = cv2.dnn.readNetFromTensorflow(str(path), str(graph))
        except cv2.error as error:
            raise _refused(path, "a res10 SSD .pb file", error) from error

    def smallest_face_px(self, width: int, height: int) -> float:  # noqa: ARG002 - it is stretched to a square
        return _RES10_SMALLEST_PX / min(_RES10_SIZE / height, 1.0)

    def fitted(self, width: int, height: int) -> tuple[int, int]:  # noqa: ARG002 - it is stretched to a square
        return _RES10_SIZE, _RES10_SIZE

    def detect(self, image: Image, min_score: float) -> list[Face]:
        height, width = image.shape[:2]
        blob = cv2.dnn.blobFromImage(image, 1.0, (_RES10_SIZE, _RES10_SIZE), _RES10_MEAN_BGR, swapRB=True)
        self._network.setInput(blob)
        # Each row: picture, class, score, x1, y1, x2, y2, the corners as fractions of the picture.
        rows: NDArray[np.float32] = np.asarray(self._network.forward(), dtype=np.float32).reshape(-1, 7)
        rows = rows[rows[:, 2] >= min_score]
        boxes = rows[:, 3:] * np.array([width, height, width, height], dtype=np.float32)
        kept = suppress_repeats(boxes, rows[:, 2], max_iou=self._nms_iou, limit=MOST_FACES)
        return faces_on_picture(boxes[kept], rows[kept, 2], (width, height))


def _input_shape(width: int, height: int, longer_side: int | None) -> tuple[int, int]:
    """YuNet's height and width for a picture of this size; OpenCV itself fills up to multiples of 32."""
    if longer_side is None:
        return best_input_shape(width, height)
    scale = longer_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _pbtxt_candidates(path: Path) -> list[Path]:
    return [path.with_suffix(".pbtxt"), path.with_name(path.stem.removesuffix("_uint8") + ".pbtxt")]


def _require_file(path: Path, remedy: str) -> None:
    if not path.is_file():
        raise MaskdError(f"the face detector {path} does not exist; give the path to {remedy}")


def _refused(path: Path, expected: str, error: cv2.error) -> MaskdError:
    return MaskdError(
        f"OpenCV {cv2.__version__} cannot read {path} as {expected}: {' '.join(str(error).split())[:200]}"
    )
