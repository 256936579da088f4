"""A model rewritten for the Edge TPU, so that more of it maps: the same values by other operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from converter.tflite_graph import operator_name, pack, parse, schema
from edge.errors import MaskdError
from edge.vision.tflite import load_interpreter


def with_plain_upsampling(content: bytes) -> tuple[bytes, int]:
    """The model with each repetition of pixels as RESIZE_NEAREST_NEIGHBOR, and how many there were.

    A detector of any input size repeats pixels by CONCATENATION of a tensor with itself and DEPTH_TO_SPACE, which needs
    no size but which the Edge TPU does not know. Raises MaskdError where the new model does not answer as the old one.
    """
    model = parse(content)
    graph = model.subgraphs[0]
    names = [operator_name(model.operatorCodes[operator.opcodeIndex]) for operator in graph.operators]
    producers = {index: operator for operator in graph.operators for index in operator.outputs}
    removed = []
    for name, operator in zip(names, graph.operators, strict=True):
        joined = producers.get(operator.inputs[0])
        if name == "DEPTH_TO_SPACE" and joined is not None and _repeats(model, graph, joined, operator):
            _replace(model, graph, operator, source=joined.inputs[0])
            removed.append(joined)
    if not removed:
        return content, 0
    graph.operators = [operator for operator in graph.operators if not any(operator is gone for gone in removed)]
    rewritten = pack(model)
    _require_same_answers(content, rewritten)
    return rewritten, len(removed)


def _repeats(model: Any, graph: Any, joined: Any, operator: Any) -> bool:
    """Whether CONCATENATION `joined` and DEPTH_TO_SPACE `operator` together repeat the pixels of one tensor."""
    if operator_name(model.operatorCodes[joined.opcodeIndex]) != "CONCATENATION":
        return False
    source, output = graph.tensors[joined.inputs[0]], graph.tensors[operator.outputs[0]]
    return (
        set(joined.inputs) == {joined.inputs[0]}
        and len(joined.inputs) == operator.builtinOptions.blockSize**2
        and joined.builtinOptions.axis in (-1, len(source.shape) - 1)
        and joined.builtinOptions.fusedActivationFunction == 0
        and sum(joined.outputs[0] in other.inputs for other in graph.operators) == 1
        and joined.outputs[0] not in graph.outputs
        and list(source.quantization.scale) == list(output.quantization.scale)
        and list(source.quantization.zeroPoint) == list(output.quantization.zeroPoint)
    )


def _replace(model: Any, graph: Any, operator: Any, *, source: int) -> None:
    kinds = schema()
    height, width = graph.tensors[operator.outputs[0]].shape[1:3]
    size = np.array([height, width], np.int32)
    buffer = kinds.BufferT()
    buffer.data = np.frombuffer(size.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor = kinds.TensorT()
    tensor.name, tensor.shape, tensor.type = b"size", [2], kinds.TensorType.INT32
    tensor.buffer = len(model.buffers) - 1
    graph.tensors.append(tensor)
    operator.inputs = [source, len(graph.tensors) - 1]
    operator.opcodeIndex = _opcode(model)
    operator.builtinOptionsType = kinds.BuiltinOptions.ResizeNearestNeighborOptions
    operator.builtinOptions = kinds.ResizeNearestNeighborOptionsT()
    operator.builtinOptions.alignCorners = operator.builtinOptions.halfPixelCenters = False


def _opcode(model: Any) -> int:
    kinds = schema()
    for index, code in enumerate(model.operatorCodes):
        if operator_name(code) == "RESIZE_NEAREST_NEIGHBOR" and code.version == 2:
            return index
    code = kinds.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kinds.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR
    code.version = 2  # the first for int8
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _require_same_answers(before: bytes, after: bytes) -> None:
    old, new = load_interpreter(before), load_interpreter(after)
    random = np.random.default_rng(1)
    for _ in range(3):
        picture = random.integers(0, 256, old.input.shape, dtype=np.uint8)
        for expected, actual in zip(old.run(picture), new.run(picture), strict=True):
            if not np.array_equal(expected.values, actual.values):
                raise MaskdError(
                    "the model's outputs change when it is rewritten for the Edge TPU; please report this with "
                    "the model"
                )
