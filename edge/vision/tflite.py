"""TensorFlow Lite models: the only file that imports a runtime."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError
from edge.vision.delegate import Delegate, DelegateError, load_delegate

Backend = Literal["auto", "litert", "tflite-runtime"]
Shape = tuple[int, ...]

_MODULES = {"litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output: a real value is (q - zero_point) * scale of the stored value q."""

    name: str
    shape: Shape
    dtype: str
    scale: float
    zero_point: int

    def dequantization_table(self) -> NDArray[np.float32]:
        """The real value of each of the 256 values that a uint8 tensor can hold, shape (256,)."""
        return dequantize(np.arange(256, dtype=np.uint8), self.scale, self.zero_point)


@dataclass(frozen=True, slots=True)
class Output:
    """What a model answered: quantized values of shape `info.shape`."""

    values: NDArray[Any]
    info: TensorInfo


def dequantize(values: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.float32]:
    """Real values of quantized ones: (q - zero_point) * scale."""
    # int32 first: uint8 arithmetic would wrap around below the zero point.
    return np.asarray((values.astype(np.int32) - zero_point) * scale, dtype=np.float32)


class Interpreter:
    """A model that is ready to run on one input shape."""

    def __init__(self, runtime: Any, delegate: Delegate | None = None) -> None:
        """`runtime`: an Interpreter of either runtime, from `load_interpreter`; `delegate`: what it was made with."""
        self._runtime = runtime
        self._delegate = delegate
        self._allocate()

    def _allocate(self) -> None:
        with _runtime_chatter_dropped():
            self._runtime.allocate_tensors()
        inputs = self._runtime.get_input_details()
        if len(inputs) != 1:
            raise MaskdError(
                f"the model has {len(inputs)} inputs, but maskd provides one; convert it with maskd-convert"
            )
        outputs = self._runtime.get_output_details()
        self.input = _tensor_info(inputs[0])
        self.outputs = tuple(_tensor_info(details) for details in outputs)
        self._input_index = inputs[0]["index"]
        self._output_indices = [details["index"] for details in outputs]

    def resize(self, shape: Shape) -> None:
        """Run on inputs of another shape from now on. Raises MaskdError where the model is made for one shape only."""
        if shape == self.input.shape:
            return
        original = self.input.shape
        try:
            self._runtime.resize_tensor_input(self._input_index, shape)
            self._allocate()
        except (ValueError, RuntimeError) as error:
            raise MaskdError(
                f"the model takes inputs of shape {original} and cannot be resized to {shape} ({_one_line(error)}); "
                "set input.resizable to false in its manifest"
            ) from error

    def run(self, array: NDArray[Any]) -> list[Output]:
        """Outputs for one input of shape and dtype `self.input`; in the order of the file, which means nothing.

        Raises DelegateError where the delegate fails at it.
        """
        self._runtime.set_tensor(self._input_index, array)
        try:
            self._runtime.invoke()
        except (ValueError, RuntimeError) as error:
            if self._delegate is None:
                raise
            raise DelegateError(
                f"{self._delegate.describe()} failed on a picture ({_one_line(error)}); check its cable, port and "
                "power supply"
            ) from error
        return [
            Output(self._runtime.get_tensor(index), info)
            for index, info in zip(self._output_indices, self.outputs, strict=True)
        ]


class InterpreterCache:
    """Interpreters of one model, one per input shape; of more shapes than `capacity` the least recently used goes.

    Changing the shape of an interpreter allocates it again, which takes about as long as running it once.
    """

    def __init__(self, load: Callable[[], Interpreter], capacity: int = 4) -> None:
        self._load = load
        self._capacity = capacity
        self._interpreters: OrderedDict[Shape, Interpreter] = OrderedDict()
        self._unused: Interpreter | None = None

    def inspected(self) -> Interpreter:
        """One at the shape that it was loaded with, to be looked at alone: the first shape asked for takes it over."""
        if self._unused is None:
            self._unused = self._load()
        return self._unused

    def for_shape(self, shape: Shape) -> Interpreter:
        interpreter = self._interpreters.pop(shape, None)
        if interpreter is None:
            if len(self._interpreters) >= self._capacity:
                self._interpreters.popitem(last=False)
            interpreter, self._unused = self.inspected(), None
            interpreter.resize(shape)
        self._interpreters[shape] = interpreter
        return interpreter


def load_interpreter(
    model: Path | bytes, threads: int = 1, backend: Backend = "auto", delegate: Delegate | None = None
) -> Interpreter:
    """A model from a .tflite file or its content, on `threads` CPU threads, allocated for its own input shape.

    `delegate` does what it can of it, and the CPU the rest. Raises MaskdError where no runtime can be imported or the
    content is not a TFLite model, and DelegateError where it can, but not with the delegate.
    """
    runtime = _runtime(backend)
    place = "the model" if isinstance(model, bytes) else str(model)
    content = model if isinstance(model, bytes) else read_model(model)
    options = {} if delegate is None else {"experimental_delegates": [load_delegate(runtime, delegate)]}
    try:
        return Interpreter(runtime.Interpreter(model_content=content, num_threads=threads, **options), delegate)
    except (ValueError, RuntimeError) as error:
        if delegate is not None:
            raise DelegateError(
                f"{delegate.describe()} cannot run {place} ({_one_line(error)}); the delegate may be built for "
                "another runtime, or the model for another delegate"
            ) from error
        raise MaskdError(
            f"{place} is not a TFLite model that this runtime can run ({_one_line(error)}); "
            "copy the file again, or convert the model again with maskd-convert"
        ) from error


def read_model(path: Path) -> bytes:
    """The content of a .tflite file; raises MaskdError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise MaskdError(f"cannot read the model {path}: {error.strerror}") from error


def runtime_name(backend: Backend = "auto") -> str:
    """The runtime that would be used and its version, such as `ai-edge-litert 2.1.0`."""
    package = _runtime(backend).__name__.partition(".")[0]
    distribution = package.replace("_", "-")
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return distribution


def _runtime(backend: Backend) -> ModuleType:
    problems = []
    for candidate in list(_MODULES) if backend == "auto" else [backend]:
        found = _import_runtime(candidate)
        if not isinstance(found, str):
            return found
        problems.append(found)
    insisted = "" if backend == "auto" else f" (runtime.backend is {backend})"
    raise MaskdError(f"no TFLite runtime can be used{insisted}: {'; '.join(problems)}")


def _import_runtime(backend: str) -> ModuleType | str:
    """The runtime's module, or the reason why there is none."""
    # Built for numpy 1, tflite-runtime prints a page of traceback under numpy 2 before it fails; the error suffices.
    silence = _stderr_captured() if backend == "tflite-runtime" else contextlib.nullcontext()
    try:
        with silence:
            return importlib.import_module(_MODULES[backend])
    except (ImportError, AttributeError) as error:
        return _import_problem(backend, error)


def _import_problem(backend: str, error: Exception) -> str:
    package = _MODULES[backend].partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and error.name is not None and error.name.startswith(package):
        remedy = "ai-edge-litert" if backend == "litert" else "tflite-runtime 'numpy<2'"
        return f"{backend} is not installed (pip install {remedy})"
    if backend == "tflite-runtime" and int(np.__version__.partition(".")[0]) >= 2:
        return (
            f"tflite-runtime was built for numpy 1 and cannot work with numpy {np.__version__} "
            "(pip install 'numpy<2', or pip install ai-edge-litert)"
        )
    return f"{backend} is installed but does not load ({_one_line(error)})"


def _tensor_info(details: dict[str, Any]) -> TensorInfo:
    scale, zero_point = details["quantization"]
    return TensorInfo(
        name=str(details["name"]),
        shape=tuple(int(length) for length in details["shape"]),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(scale),
        zero_point=int(zero_point),
    )


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]


_chatter_pending = True


@contextlib.contextmanager
def _runtime_chatter_dropped() -> Iterator[None]:
    """Drops the runtime's INFO line about its delegate; it comes once per process, so later calls change nothing."""
    global _chatter_pending
    if not _chatter_pending:
        yield
        return
    _chatter_pending = False
    captured = bytearray()
    try:
        with _stderr_captured(captured):
            yield
    finally:
        kept = [line for line in bytes(captured).splitlines(keepends=True) if not line.startswith((b"INFO:", b"I0000"))]
        with contextlib.suppress(OSError):
            os.write(2, b"".join(kept))


@contextlib.contextmanager
def _stderr_captured(into: bytearray | None = None) -> Iterator[None]:
    """What C++ code writes to file descriptor 2 goes into `into`, or nowhere."""
    try:
        saved = os.dup(2)
    except OSError:  # closed, as some supervisors do: nothing to keep clean
        yield
        return
    with tempfile.TemporaryFile() as file:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            if into is not None:
                file.seek(0)
                into += file.read()
