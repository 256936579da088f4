"""What the Edge TPU can run of a model, by the rules that its makers have published.

The operators, their limits and the general requirements (8-bit tensors of constant shape, at most the three innermost
dimensions longer than 1, constant parameters, one partition that ends where the first other operator is met) are those
of "TensorFlow models on the Edge TPU", table 1, runtime 14, coral.ai/docs/edgetpu/models-intro. The compiler has the
last word: it leaves out more, for reasons of size or precision that are not published.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.tflite_graph import Graph, Operator, Tensor

Rule = Callable[[Operator], str | None]
"""Why an operator is left out; None: nothing speaks against it."""

MAPS = "maps"


@dataclass(frozen=True, slots=True)
class Verdict:
    operator: Operator
    reason: str | None
    """Why it runs on the CPU; None: the Edge TPU can run it."""


def judge(graph: Graph) -> list[Verdict]:
    """One verdict for each operator, in the order of execution.

    What depends on an operator that is left out is left out with it, for there is one partition only.
    """
    verdicts: list[Verdict] = []
    on_cpu: dict[int, Operator] = {}
    for operator in graph.operators:
        reason = problem_of(operator)
        first = next((on_cpu[tensor.number] for tensor in operator.inputs if tensor.number in on_cpu), None)
        if reason is None and first is not None:
            reason = f"follows {first.name} number {first.number}"
        if reason is not None:
            on_cpu.update(dict.fromkeys((tensor.number for tensor in operator.outputs), first or operator))
        verdicts.append(Verdict(operator, reason))
    return verdicts


def table(verdicts: list[Verdict]) -> list[tuple[str, str, str]]:
    """Rows of operator, count and verdict, as the compiler prints them."""
    counts = Counter((verdict.operator.name, verdict.reason or MAPS) for verdict in verdicts)
    return [(name, str(count), status) for (name, status), count in counts.items()]


def problem_of(operator: Operator) -> str | None:
    """What the rules have against an operator by itself."""
    if operator.name not in _SUPPORTED:
        return "not among the supported operators"
    newest = _NEWEST_VERSIONS.get(operator.name)
    if newest is not None and operator.version > newest:
        return f"version {operator.version}, but compiler 16.0 supports at most {newest}"
    calculated = [tensor for tensor in (*operator.inputs, *operator.outputs) if not tensor.is_constant]
    for tensor in calculated:
        if tensor.dtype not in ("INT8", "UINT8"):
            return f"a tensor of {tensor.dtype} instead of 8-bit integers"
        if not tensor.has_fixed_shape:
            return "a tensor without a fixed shape"
        if any(length > 1 for length in tensor.shape[:-3]):
            shape = "x".join(map(str, tensor.shape))
            return f"a tensor of {shape}, longer than 1 beyond the three innermost dimensions"
    return _SUPPORTED[operator.name](operator)


def _anything(_: Operator) -> str | None:
    return None


def _unfused(operator: Operator) -> str | None:
    return "a fused activation function" if operator.options.get("fusedActivationFunction") else None


def _concatenation(operator: Operator) -> str | None:
    constants = [tensor for tensor in operator.inputs if tensor.is_constant]
    if constants and (len(operator.inputs) != 2 or any(not _is_zero(tensor) for tensor in constants)):
        return "constants among its inputs"
    return _unfused(operator)


def _is_zero(tensor: Tensor) -> bool:
    """A real zero is stored as the zero point."""
    assert tensor.values is not None
    return bool((tensor.values == tensor.zero_point % 256).all())


def _convolution(operator: Operator) -> str | None:
    if operator.options.get("dilationWFactor") != operator.options.get("dilationHFactor"):
        return "different dilations in x and y"
    return _constant_parameters(operator)


def _constant_parameters(operator: Operator) -> str | None:
    return None if all(tensor.is_constant for tensor in operator.inputs[1:]) else "weights that are not constant"


def _fully_connected(operator: Operator) -> str | None:
    if operator.options.get("weightsFormat"):
        return "weights in a format other than the default"
    if sum(length > 1 for length in operator.outputs[0].shape) > 1:
        return "an output of more than one dimension"
    return _constant_parameters(operator)


def _reduction(operator: Operator) -> str | None:
    return "works along the batch" if 0 in _axes(operator) else None


def _mean(operator: Operator) -> str | None:
    image = operator.inputs[0].shape
    if len(image) - 1 in _axes(operator) and image[-1] % 4:
        return "a mean over a depth that is not a multiple of 4"
    return _reduction(operator)


def _axes(operator: Operator) -> set[int]:
    """Of a reduction, whose second input lists them."""
    rank = len(operator.inputs[0].shape)
    return {int(axis) % rank for axis in _integers(operator.inputs[1])} if len(operator.inputs) > 1 else set()


def _integers(tensor: Tensor) -> NDArray[np.int32]:
    values = np.zeros(0, np.uint8) if tensor.values is None else tensor.values
    return np.frombuffer(values.tobytes(), dtype=np.int32)


def _pad(operator: Operator) -> str | None:
    return "pads the batch" if any(_integers(operator.inputs[1])[:2]) else None


def _pack(operator: Operator) -> str | None:
    return "works along the batch" if operator.options.get("axis") == 0 else None


def _split(operator: Operator) -> str | None:
    axis = _integers(operator.inputs[0])
    return "works along the batch" if axis.size and axis[0] == 0 else None


def _prelu(operator: Operator) -> str | None:
    return "an alpha of more than one dimension" if any(n > 1 for n in operator.inputs[1].shape[:-1]) else None


def _softmax(operator: Operator) -> str | None:
    shape = operator.inputs[0].shape
    if sum(length > 1 for length in shape) > 1 or math.prod(shape) > 16_000:
        return "an input of more than one dimension, or of more than 16000 elements"
    return None


def _strided_slice(operator: Operator) -> str | None:
    if any(_integers(operator.inputs[3]) != 1):
        return "strides other than 1"
    return "an ellipsis or a new axis" if operator.options["ellipsisMask"] or operator.options["newAxisMask"] else None


_SUPPORTED: Mapping[str, Rule] = {
    **dict.fromkeys(("ADD", "EXPAND_DIMS", "L2_NORMALIZATION", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL"), _anything),
    **dict.fromkeys(("QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "RSQRT", "SLICE", "SUB"), _anything),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH", "SQUARED_DIFFERENCE"), _anything),
    **dict.fromkeys(("SQUEEZE", "TANH", "TRANSPOSE", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM"), _anything),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _unfused),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), _convolution),
    **dict.fromkeys(("REDUCE_MAX", "REDUCE_MIN", "SUM"), _reduction),
    "CONCATENATION": _concatenation,
    "FULLY_CONNECTED": _fully_connected,
    "MEAN": _mean,
    "PACK": _pack,
    "PAD": _pad,
    "PRELU": _prelu,
    "SOFTMAX": _softmax,
    "SPLIT": _split,
    "STRIDED_SLICE": _strided_slice,
}

_NEWEST_VERSIONS = {"CONV_2D": 5, "FULLY_CONNECTED": 11, "RESIZE_NEAREST_NEIGHBOR": 2, "TRANSPOSE_CONV": 3}
"""Those beyond which the compiler is known to say `Didn't find op` or `Operation version not supported`."""
