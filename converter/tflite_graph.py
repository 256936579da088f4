"""The operators of a .tflite, read and changed through TensorFlow's own description of the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.backend import load_tensorflow
from edge.errors import MaskdError


@dataclass(frozen=True, slots=True)
class Tensor:
    number: int
    shape: tuple[int, ...]
    has_fixed_shape: bool
    dtype: str
    """As TFLite spells it, such as INT8."""
    scale: float
    zero_point: int
    """Both 0 where it is not quantized as a whole."""
    values: NDArray[np.uint8] | None
    """The bytes of a constant; None: it is calculated."""

    @property
    def is_constant(self) -> bool:
        return self.values is not None


@dataclass(frozen=True, slots=True)
class Operator:
    number: int
    """Its place in the order of execution."""
    name: str
    """As TFLite spells it, such as CONV_2D; of a custom one its own name."""
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]


def schema() -> Any:
    """TensorFlow's module of the format. Raises MaskdError where TensorFlow is not installed."""
    load_tensorflow()
    from tensorflow.lite.python import schema_py_generated

    return schema_py_generated


def parse(content: bytes) -> Any:
    """The file as objects of the schema. Raises MaskdError where it is no .tflite, or has more than one graph."""
    try:
        model = schema().ModelT.InitFromPackedBuf(content, 0)
        graphs = len(model.subgraphs)
    except MaskdError:
        raise
    except Exception as error:
        # The parser trusts the file, and stumbles in its own ways over one that is damaged.
        raise MaskdError(
            f"this is not a TFLite model ({type(error).__name__}); convert it with maskd-convert"
        ) from error
    if graphs != 1:
        raise MaskdError(f"the model has {graphs} graphs, but only one can be compiled; train it without loops")
    return model


def pack(model: Any) -> bytes:
    """The file for objects of the schema."""
    import flatbuffers  # type: ignore[import-untyped]  # comes with TensorFlow

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def read_graph(content: bytes) -> Graph:
    """Raises MaskdError; see `parse`."""
    model = parse(content)
    graph = model.subgraphs[0]
    types = _names(schema().TensorType)
    tensors = [_tensor(number, raw, model, types) for number, raw in enumerate(graph.tensors)]
    operators = [
        Operator(
            number,
            operator_name(model.operatorCodes[raw.opcodeIndex]),
            int(model.operatorCodes[raw.opcodeIndex].version),
            tuple(tensors[index] for index in _list(raw.inputs) if index >= 0),
            tuple(tensors[index] for index in _list(raw.outputs)),
            dict(vars(raw.builtinOptions)) if raw.builtinOptions is not None else {},
        )
        for number, raw in enumerate(graph.operators)
    ]
    inputs, outputs = (tuple(tensors[index] for index in _list(ends)) for ends in (graph.inputs, graph.outputs))
    return Graph(inputs, outputs, tuple(operators))


def operator_name(code: Any) -> str:
    if code.customCode:
        return str(code.customCode.decode())
    # Codes below 127 are also, or only, in the older one-byte field.
    return _names(schema().BuiltinOperator)[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _tensor(number: int, raw: Any, model: Any, types: Mapping[int, str]) -> Tensor:
    data = model.buffers[raw.buffer].data
    quantization = raw.quantization
    scales = [] if quantization is None else _list(quantization.scale)
    zero_points = [] if quantization is None else _list(quantization.zeroPoint)
    is_per_tensor = len(scales) == len(zero_points) == 1
    return Tensor(
        number=number,
        shape=tuple(int(length) for length in _list(raw.shape)),
        has_fixed_shape=all(length >= 0 for length in _list(raw.shapeSignature)),
        dtype=types[raw.type],
        scale=float(scales[0]) if is_per_tensor else 0.0,
        zero_point=int(zero_points[0]) if is_per_tensor else 0,
        values=None if data is None else np.asarray(data, dtype=np.uint8),
    )


def _list(values: Any) -> list[Any]:
    return [] if values is None else list(values)


def _names(enumeration: type) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}
