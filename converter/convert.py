"""From a float model to a full-integer int8 .tflite: uint8 pixels in, uint8 out, integers all the way."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.backend import load_tensorflow, native_chatter_dropped
from converter.float_model import FloatModel, one_line
from edge.errors import MaskdError
from edge.vision.preprocess import Image
from edge.vision.tflite import load_interpreter


def convert_int8(model: FloatModel, calibration: Sequence[Image]) -> bytes:
    """The quantized .tflite. The ranges of its tensors are those that the calibration pictures produce.

    Pictures are (height, width, 3) RGB uint8 of the model's input size, at least one. The input gets scale 1 and zero
    point 0, since the daemon hands over pixels as they are. Raises MaskdError where that or an operator's integer form
    cannot be had.
    """
    tensorflow, _ = load_tensorflow()

    def samples() -> Iterator[list[NDArray[np.float32]]]:
        for picture in (_spanning(calibration[0]), *calibration):
            yield [picture[None].astype(np.float32)]

    with tempfile.TemporaryDirectory() as folder:
        converter = _converter(tensorflow, model, Path(folder))
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tensorflow.uint8
        converter.inference_output_type = tensorflow.uint8
        content = _converted(converter, "to int8")
    if floating := float_operators(content):
        raise MaskdError(
            f"the converted model still computes in floating point ({', '.join(floating)}); build it from operators "
            "that TFLite can quantize"
        )
    pixels = load_interpreter(content).input
    if abs(pixels.scale * 255 - 255) > 0.5 or pixels.zero_point != 0:
        raise MaskdError(
            f"the converted model takes pixels with scale {pixels.scale:g} and zero point {pixels.zero_point}, but "
            "the daemon passes them unchanged; make the model accept values from 0 to 255"
        )
    return content


def convert_floating(model: FloatModel, *, dynamic_range: bool) -> bytes:
    """A .tflite that takes pixels as uint8 and calculates in float32, for networks that integers spoil.

    `dynamic_range`: its weights are stored as int8, which makes the file four times smaller. Raises MaskdError.
    """
    tensorflow, _ = load_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        converter = _converter(tensorflow, model, Path(folder), takes_bytes=True)
        if dynamic_range:
            converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        return _converted(converter, "to TFLite")


def convert_float(model: FloatModel) -> bytes:
    """The same graph in float32, to compare size and latency with."""
    tensorflow, _ = load_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        return _converted(_converter(tensorflow, model, Path(folder)), "to TFLite")


def float_operators(content: bytes) -> list[str]:
    """Names of the operators of a .tflite that read or write floating point, sorted."""
    load_tensorflow()
    from tensorflow.lite.python import schema_py_generated as schema

    floats = {schema.TensorType.FLOAT16, schema.TensorType.FLOAT32, schema.TensorType.FLOAT64}
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    found = set()
    for graph in model.subgraphs:
        for operator in graph.operators:
            tensors = [index for index in (*operator.inputs, *operator.outputs) if index >= 0]
            if any(graph.tensors[index].type in floats for index in tensors):
                code = model.operatorCodes[operator.opcodeIndex]
                found.add(names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "custom operator"))
    return sorted(found)


def _spanning(picture: Image) -> Image:
    """The picture with a black and a white corner, so that the input's range is 0 to 255 whatever the photos show."""
    spanning: Image = picture.copy()
    spanning[0, 0], spanning[-1, -1] = 0, 255
    return spanning


def _converter(tensorflow: Any, model: FloatModel, folder: Path, *, takes_bytes: bool = False) -> Any:
    model.save(folder, takes_bytes=takes_bytes)
    return tensorflow.lite.TFLiteConverter.from_saved_model(str(folder))


def _converted(converter: Any, target: str) -> bytes:
    try:
        with native_chatter_dropped():
            return bytes(converter.convert())
    except Exception as error:
        # The converter has its own type of error for an operator that it cannot handle, and others for other stages.
        raise MaskdError(f"TensorFlow cannot convert this model {target} ({one_line(error)})") from error
