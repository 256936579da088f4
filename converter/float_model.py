"""A trained model as it was before quantization: loaded from any format, normalisation folded in, input size fixed."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from converter.backend import load_tensorflow, native_chatter_dropped
from edge.errors import MaskdError, UsageError

Preprocess = Literal["none", "unit", "mobilenet_v2"]
"""What a foreign model expects done to pixels of 0 to 255: nothing, x / 255, or x / 127.5 - 1."""
Size = tuple[int, int]
"""Height and width in pixels."""

ColorOrder = Literal["rgb", "bgr"]
"""Of the pixels that a foreign model was trained on; OpenCV's own is BGR."""

COLOR_ORDERS: tuple[ColorOrder, ...] = ("rgb", "bgr")
SCALE_AND_OFFSET: dict[Preprocess, tuple[float, float]] = {
    "none": (1.0, 0.0),
    "unit": (1 / 255, 0.0),
    "mobilenet_v2": (1 / 127.5, -1.0),
}
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LONGEST_REASON = 300
_ZIP_SIGNATURE = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class FloatModel:
    """A model that takes float RGB of 0 to 255, shape (n, height, width, 3)."""

    input_size: Size
    output_shapes: tuple[tuple[int, ...], ...]
    """Of one picture's outputs, the batch left out."""
    has_normalisation: bool
    """Whether a layer that rescales pixels was found inside the model."""
    is_single_sigmoid: bool
    """It has one output, which became two: the probability of the second label, and what is missing to 1."""
    _serve: Callable[[Any], dict[str, Any]]
    _variables: list[Any]
    _batch: int | None

    def predict(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs for pictures of shape (n, height, width, 3): one array of shape (n, ...) for each output."""
        tensorflow, _ = load_tensorflow()
        step = self._batch or 32
        chunks: list[list[NDArray[np.float32]]] = []
        for start in range(0, len(images), step):
            pixels = tensorflow.constant(images[start : start + step].astype(np.float32))
            answers = self._serve(pixels)
            chunks.append([np.asarray(answers[name], dtype=np.float32) for name in sorted(answers)])
        return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]

    def save(self, folder: Path, *, takes_bytes: bool = False) -> None:
        """Writes a SavedModel for one picture at a time; `takes_bytes`: of uint8 instead of float. Raises
        MaskdError where the disk is full."""
        tensorflow, _ = load_tensorflow()
        module = tensorflow.Module()
        # The converter freezes only variables that the module owns.
        module.held = self._variables
        dtype = tensorflow.uint8 if takes_bytes else tensorflow.float32
        spec = tensorflow.TensorSpec((1, *self.input_size, 3), dtype, name="image")

        def serve(pixels: Any) -> dict[str, Any]:
            return self._serve(tensorflow.cast(pixels, tensorflow.float32))

        module.serve = tensorflow.function(serve, input_signature=[spec])
        try:
            with native_chatter_dropped():
                tensorflow.saved_model.save(module, str(folder), signatures=module.serve.get_concrete_function())
        except tensorflow.errors.ResourceExhaustedError as error:
            raise MaskdError(
                f"the disk of {tempfile.gettempdir()} is full, and the model is written there temporarily; free some "
                "space, or set the environment variable TMPDIR to another folder"
            ) from error


def load_float_model(
    path: Path,
    *,
    preprocess: Preprocess = "none",
    color_order: ColorOrder = "rgb",
    input_size: Size | None = None,
    columns: int | None = None,
) -> FloatModel:
    """Loads `.keras`, `.h5` (also without a suffix) or a SavedModel folder.

    `input_size` is needed where the model leaves it open. `columns` is the number of labels: a single sigmoid becomes
    two probabilities where it is 2, the sigmoid being the second label's. Raises MaskdError where the file cannot be
    loaded or is not a model of one RGB picture, UsageError where the input size is missing or another one is fixed.
    """
    if not path.exists():
        raise MaskdError(f"{path}: no such model")
    loaded = _load_saved_model(path) if path.is_dir() else _load_keras(path)
    size = _resolve_size(path, loaded.input_shape, input_size)
    tensorflow, _ = load_tensorflow()
    single_sigmoid = False

    def serve(pixels: Any) -> dict[str, Any]:
        pixels = _prepared(tensorflow, pixels, preprocess, color_order)
        outputs = [
            tensorflow.cast(output, tensorflow.float32) for output in tensorflow.nest.flatten(loaded.call(pixels))
        ]
        # Known once this has been traced.
        nonlocal single_sigmoid
        single_sigmoid = columns == 2 and len(outputs) == 1 and outputs[0].shape[1:] == (1,)
        if single_sigmoid:
            outputs = [tensorflow.concat([1 - outputs[0], outputs[0]], axis=-1)]
        return {f"output_{index:02d}": output for index, output in enumerate(outputs)}

    compiled = tensorflow.function(serve)
    try:
        outputs = compiled(tensorflow.zeros((1, *size, 3)))
    except (ValueError, TypeError, tensorflow.errors.OpError) as error:
        raise MaskdError(f"{path}: fails on a picture of {size[0]}x{size[1]} ({one_line(error)})") from error
    return FloatModel(
        input_size=size,
        output_shapes=tuple(tuple(outputs[name].shape[1:]) for name in sorted(outputs)),
        has_normalisation=loaded.has_normalisation,
        is_single_sigmoid=single_sigmoid,
        _serve=compiled,
        _variables=loaded.variables,
        _batch=loaded.input_shape[0],
    )


def _prepared(tensorflow: Any, pixels: Any, preprocess: Preprocess, color_order: ColorOrder) -> Any:
    """Pixels of 0 to 255 in RGB as the model takes them, in operators that have an integer form.

    Nothing is imported here: TensorFlow traces what is called, and would print the whole environment of a process that
    it cannot trace.
    """
    if color_order == "bgr":
        # Slices put together again: an operator that reverses has no integer form.
        pixels = tensorflow.concat([pixels[..., c : c + 1] for c in (2, 1, 0)], axis=-1)
    if preprocess == "none":
        return pixels
    scale, offset = SCALE_AND_OFFSET[preprocess]
    return pixels * scale + offset


@dataclass(frozen=True, slots=True)
class _Loaded:
    call: Callable[[Any], Any]
    variables: list[Any]
    input_shape: tuple[int | None, ...]
    has_normalisation: bool


def _load_keras(path: Path) -> _Loaded:
    _, keras = load_tensorflow()
    with path.open("rb") as file:
        start = file.read(8)
    suffix = ".h5" if start == _HDF5_SIGNATURE else ".keras" if start.startswith(_ZIP_SIGNATURE) else None
    if suffix is None:
        raise MaskdError(f"{path}: neither a .keras nor an .h5 file; for a SavedModel give its folder")
    try:
        with tempfile.TemporaryDirectory() as folder:
            named = path
            if path.suffix != suffix:
                # Keras goes by the suffix, and the tutorials call their .h5 files `mask_detector.model`.
                named = Path(folder) / f"model{suffix}"
                shutil.copyfile(path, named)
            with native_chatter_dropped():
                model = keras.models.load_model(named, compile=False, custom_objects=_keras_2_objects(keras))
    # Keras raises whatever the layers of a foreign or older file happen to raise.
    except Exception as error:
        if version := _keras_2_version(path, suffix):
            raise MaskdError(_saved_by_keras_2(path, version, keras.__version__)) from error
        raise MaskdError(
            f"{path}: Keras {keras.__version__} cannot load it ({one_line(error)}); export it as a SavedModel with "
            "the Keras version that wrote it"
        ) from error
    shapes = model.input_shape
    if not isinstance(shapes, tuple):
        raise MaskdError(f"{path}: has {len(shapes)} inputs, but maskd provides one picture")
    return _Loaded(
        call=lambda pixels: model(pixels, training=False),
        variables=[variable.value for variable in model.variables],
        input_shape=shapes,
        has_normalisation=any(_normalises(layer) for layer in _layers_within(model)),
    )


def _keras_2_version(path: Path, suffix: str) -> str | None:
    """The version of Keras 2 that saved the file; None: another Keras did, or the file does not say."""
    version: Any = None
    try:
        if suffix == ".h5":
            import h5py

            with h5py.File(path) as file:
                version = file.attrs.get("keras_version")
        else:
            with zipfile.ZipFile(path) as archive:
                version = json.loads(archive.read("metadata.json")).get("keras_version")
    except (OSError, KeyError, ValueError, AttributeError, zipfile.BadZipFile):
        return None
    text = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
    return text if text.startswith("2.") else None


def _saved_by_keras_2(path: Path, version: str, own_version: str) -> str:
    exported = f"{path.name.partition('.')[0]}-saved"
    return (
        f"{path} was saved by Keras 2 ({version}), and Keras {own_version} cannot load it; export a SavedModel with "
        "tf_keras: python3 -m venv keras2 && keras2/bin/pip install tensorflow tf_keras && keras2/bin/python -c "
        f"\"import tf_keras; tf_keras.models.load_model('{path}', compile=False).export('{exported}')\", and convert "
        f"the folder {exported}"
    )


def _keras_2_objects(keras: Any) -> dict[str, Any]:
    """Layers that read what Keras 2 wrote of them, where Keras 3 does not: MobileNet's .h5 files need it."""

    class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]  # keras ships no types
        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            # Keras 2 inherited the key from Conv2D; a depthwise convolution has no other number of groups.
            return keras.layers.DepthwiseConv2D.from_config({k: v for k, v in config.items() if k != "groups"})

    return {"DepthwiseConv2D": DepthwiseConv2D}


def _layers_within(model: Any) -> list[Any]:
    """All layers, also those of models used as layers."""
    return [
        inner
        for layer in model.layers
        for inner in (layer, *(_layers_within(layer) if hasattr(layer, "layers") else ()))
    ]


def _normalises(layer: Any) -> bool:
    return type(layer).__name__ in {"Rescaling", "Normalization"}


def _load_saved_model(folder: Path) -> _Loaded:
    tensorflow, _ = load_tensorflow()
    if not (folder / "saved_model.pb").is_file():
        raise MaskdError(f"{folder}: has no saved_model.pb, so it is not a SavedModel")
    try:
        with native_chatter_dropped():
            loaded = tensorflow.saved_model.load(str(folder))
    except (OSError, ValueError, TypeError, AttributeError, KeyError, tensorflow.errors.OpError) as error:
        raise MaskdError(f"{folder}: TensorFlow cannot load it ({one_line(error)})") from error
    signatures = loaded.signatures
    name = next((name for name in ("serving_default", "serve", *signatures) if name in signatures), None)
    if name is None:
        raise MaskdError(f"{folder}: has no callable signature; export it again with model.export()")
    signature = signatures[name]
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise MaskdError(f"{folder}: has {len(inputs)} inputs, but maskd provides one picture")
    ((argument, spec),) = inputs.items()

    def call(pixels: Any) -> Any:
        return signature(**{argument: tensorflow.cast(pixels, spec.dtype)})

    # What was loaded owns the variables, which live no longer than it does.
    return _Loaded(call, [loaded], tuple(spec.shape), has_normalisation=False)


def _resolve_size(path: Path, shape: Sequence[int | None], wanted: Size | None) -> Size:
    if len(shape) != 4 or shape[3] not in (3, None):
        raise MaskdError(
            f"{path}: takes an input of shape {tuple(shape)}, but maskd provides RGB pictures (n, height, width, 3)"
        )
    fixed = shape[1:3]
    if wanted is None:
        if fixed[0] is None or fixed[1] is None:
            raise UsageError(f"{path}: does not fix its input size; give --input-size HxW")
        return fixed[0], fixed[1]
    if any(own not in (None, asked) for own, asked in zip(fixed, wanted, strict=True)):
        raise UsageError(f"{path}: takes pictures of {fixed[0]}x{fixed[1]}, not --input-size {wanted[0]}x{wanted[1]}")
    return wanted


def one_line(error: BaseException) -> str:
    """The first sentences of what a library says, up to 300 characters, never ending within one."""
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) <= _LONGEST_REASON:
        return text
    sentences = re.match(rf".{{1,{_LONGEST_REASON}}}[.!?](?=\s)", text)
    return sentences[0] if sentences else f"{text[: text.rfind(' ', 0, _LONGEST_REASON)]} ..."
