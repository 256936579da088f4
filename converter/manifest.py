"""The manifest of a freshly converted model: what the .tflite itself says, and what its card says."""

from __future__ import annotations

import datetime as dt
import hashlib

from converter.card import ModelCard
from edge.errors import MaskdError
from edge.vision.model import Manifest, ModelInput, Quantization, TensorQuantization
from edge.vision.tflite import Interpreter, TensorInfo, load_interpreter

Size = tuple[int, int]


def build_manifest(content: bytes, card: ModelCard, *, version: str) -> Manifest:
    """The manifest of a .tflite, named after the card, its metrics still to be measured.

    Raises MaskdError where no runtime can load the model, pydantic's ValidationError where the card does not fit.
    """
    interpreter = load_interpreter(content)
    _, height, width, _ = interpreter.input.shape
    is_detector = card.task == "face_detection"
    return Manifest(
        name=card.name,
        version=version,
        task=card.task,
        file=f"{card.name}.tflite",
        sha256=hashlib.sha256(content).hexdigest(),
        input=ModelInput(height=height, width=width, resizable=card.resizable and is_resizable(content, card)),
        stride=max(card.strides) if is_detector else None,
        strides=list(card.strides) if is_detector else None,
        labels=None if is_detector else list(card.labels),
        crop_margin=None if is_detector else card.crop_margin,
        quantization=_quantization(interpreter),
        thresholds=card.thresholds,
        training_data=list(card.training_data),
        created=dt.datetime.now(dt.timezone.utc).date(),
    )


def is_resizable(content: bytes, card: ModelCard) -> bool:
    """Whether a detector runs on pictures of another size, or a classifier on several faces at once: by trying."""
    interpreter = load_interpreter(content)
    _, height, width, channels = interpreter.input.shape
    if card.task == "face_detection":
        # One cell of the coarsest grid less in height and one more in width.
        stride = max(card.strides)
        shape = (1, max(stride, height - stride), width + stride, channels)
        expected: set[tuple[int, ...]] = {
            (1, shape[1] // s, shape[2] // s, maps) for s in card.strides for maps in (1, 4)
        }
    else:
        shape = (2, height, width, channels)
        expected = {(2, len(card.labels))}
    try:
        interpreter.resize(shape)
    except MaskdError:
        return False
    return {info.shape for info in interpreter.outputs} == expected


def _quantization(interpreter: Interpreter) -> Quantization | None:
    """None where it calculates in floating point."""
    if all(info.dtype == "float32" for info in interpreter.outputs):
        return None
    return Quantization(input=_tensor(interpreter.input), outputs=[_tensor(info) for info in interpreter.outputs])


def _tensor(info: TensorInfo) -> TensorQuantization:
    return TensorQuantization(shape=list(info.shape), scale=info.scale, zero_point=info.zero_point)
