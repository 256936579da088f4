"""A model and its manifest: what it is, what it takes, and whether the file is the one that the manifest describes."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import edge
from edge.errors import MaskdError
from edge.payloads.statuses import UNKNOWN
from edge.vision.delegate import Delegate, DelegateError
from edge.vision.tflite import Backend, Interpreter, TensorInfo, load_interpreter, read_model

Task = Literal["face_detection", "mask_classification"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[int, Field(ge=1, le=8192)]
Stride = Annotated[int, Field(ge=1, le=256)]

_COMPILED_SUFFIX = "_edgetpu"
"""Which the compiler appends to the name of the model's file."""


class ManifestPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelInput(ManifestPart):
    height: Pixels
    width: Pixels
    color: Literal["RGB"] = "RGB"
    dtype: Literal["uint8"] = "uint8"
    resizable: bool = False
    """A detector runs on any multiples of `stride`, a classifier on any number of faces at once."""


class TensorQuantization(ManifestPart):
    """A real value is (q - zero_point) * scale."""

    shape: list[int] = []
    scale: Annotated[float, Field(gt=0)]
    zero_point: int


class Quantization(ManifestPart):
    input: TensorQuantization
    outputs: Annotated[list[TensorQuantization], Field(min_length=1)]


class RecommendedThresholds(ManifestPart):
    """What is recommended; config.yaml can override it."""

    min_score: Fraction | None = None
    min_confidence: Fraction | None = None


class Metric(ManifestPart):
    dataset: str
    split: str
    measure: str
    value: float
    """Of the int8 model."""
    count: int
    """Photos or faces that it was measured on."""
    float_value: float | None = None
    """Of the model before quantization."""


class TrainingData(ManifestPart):
    """A set of photos, or the part of one that is under one licence."""

    name: str
    photos: int
    licence: str
    """As stated where the photos come from, or `none stated`."""
    source: str | None = None


class Compiled(ManifestPart):
    """Of a model that was compiled for an accelerator from another one."""

    accelerator: Literal["edgetpu"]
    compiler: Annotated[str, Field(min_length=1)]
    """Its version."""
    source_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Hash of the .tflite that it was compiled from, which the CPU runs in its place."""
    operators_mapped: Annotated[int, Field(ge=1)]
    """Operators that run on the accelerator."""
    operators_on_cpu: Annotated[int, Field(ge=0)]


class Manifest(ManifestPart):
    """The JSON next to a .tflite, with the same stem. Written with `write_manifest`, read with `load_manifest`."""

    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    task: Task
    file: Annotated[str, Field(pattern=r"^[^/\\]+\.tflite$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    input: ModelInput
    stride: Stride | None = None
    """A detector's input sides are multiples of it, in pixels."""
    strides: Annotated[list[Stride], Field(min_length=1)] | None = None
    """Pixels of input per cell, one for each of a detector's score maps."""
    labels: Annotated[list[str], Field(min_length=2)] | None = None
    """A classifier's statuses, in the order of its output."""
    crop_margin: Annotated[float, Field(ge=0, le=2)] | None = None
    """Share of a face's longer side that the classifier sees around it, on each side."""
    quantization: Quantization | None = None
    """null: it takes uint8 and calculates in floating point; its outputs are float32."""
    thresholds: RecommendedThresholds = RecommendedThresholds()
    compiled: Compiled | None = None
    metrics: list[Metric] = []
    training_data: list[TrainingData] = []
    created: dt.date

    @property
    def identity(self) -> str:
        """Name and version, as in events: `face-detector/1.0.0`."""
        return f"{self.name}/{self.version}"

    @model_validator(mode="after")
    def _parts_of_the_task_are_there(self) -> Manifest:
        needed = {
            "face_detection": ("stride", "strides"),
            "mask_classification": ("labels", "crop_margin"),
        }[self.task]
        if missing := [key for key in needed if getattr(self, key) is None]:
            raise ValueError(f"{self.task} needs {' and '.join(missing)}")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("labels has the same label twice")
        if self.labels is not None and UNKNOWN in self.labels:
            raise ValueError(f"{UNKNOWN} cannot be a label: it means weak evidence")
        if self.strides is not None and len(set(self.strides)) != len(self.strides):
            raise ValueError("strides has the same stride twice")
        if self.stride is not None and (self.input.height % self.stride or self.input.width % self.stride):
            raise ValueError("the input's height and width must be multiples of stride")
        return self


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was found whole: its content is the one that the manifest describes."""

    path: Path
    manifest: Manifest
    content: bytes
    delegate: Delegate | None = None
    """What runs it; None: the CPU."""

    def interpreter(self, threads: int, backend: Backend) -> Interpreter:
        """Ready to run at the manifest's input size. Raises MaskdError where graph and manifest disagree, and
        DelegateError where the delegate is the reason."""
        interpreter = load_interpreter(self.content, threads, backend, self.delegate)
        check_input(self.path, self.manifest, interpreter.input)
        return interpreter


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes the JSON; keys that do not apply to the task are left out."""
    path.write_text(manifest.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")


def load_manifest(path: Path) -> Manifest:
    """The manifest in a JSON file. Raises MaskdError where it is missing or not a manifest, naming every problem."""
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise MaskdError(
            f"the manifest {path} is missing; copy the .json that maskd-convert wrote next to the model"
        ) from error
    except OSError as error:
        raise MaskdError(f"cannot read the manifest {path}: {error.strerror}") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(_problem(details["loc"], details["msg"]) for details in error.errors())
        raise MaskdError(
            f"{path} is not a manifest ({problems}); convert the model again with maskd-convert"
        ) from error


def _problem(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{'.'.join(map(str, location))}: {message}" if location else message


def find_model(name_or_path: str | Path) -> tuple[Path, Manifest]:
    """The .tflite file and the manifest of a shipped model's name, or of a path.

    Raises MaskdError, listing the shipped ones for a name that is not among them.
    """
    text = str(name_or_path)
    # A name is one of a short list; what has a folder or the suffix can only be a file.
    is_path = text.endswith(".tflite") or os.sep in text
    path = Path(text).expanduser() if is_path else _shipped_models().get(text)
    if path is None:
        shipped = ", ".join(sorted(_shipped_models())) or "none in this installation"
        raise MaskdError(
            f"there is no shipped model {text!r}; shipped: {shipped}; for your own model give the path of its .tflite"
        )
    if path.suffix != ".tflite":
        raise MaskdError(f"the model {path} is not a .tflite file; convert it with maskd-convert")
    if not path.is_file():
        raise MaskdError(f"the model {path} does not exist; give the path of a .tflite file or a shipped model's name")
    manifest = load_manifest(path.with_suffix(".json"))
    if manifest.file != path.name:
        raise MaskdError(f"the manifest {path.with_suffix('.json')} describes {manifest.file}, not {path.name}")
    return path, manifest


def open_model(name_or_path: str | Path, task: Task) -> Model:
    """A model for `task`, its content checked against the manifest's hash. Raises MaskdError."""
    path, manifest = find_model(name_or_path)
    if manifest.task != task:
        raise MaskdError(f"the model {path} is for {manifest.task}, but {task} is needed here")
    content = read_model(path)
    # Before the runtime sees it: tflite-runtime crashes the process on a file that was cut short.
    digest = hashlib.sha256(content).hexdigest()
    if digest != manifest.sha256:
        raise MaskdError(
            f"the model {path} is refused: the sha256 of its {len(content)} bytes is {digest[:12]}..., but its "
            f"manifest says {manifest.sha256[:12]}...; the file was truncated or changed, or the manifest belongs to "
            "another model: copy both again"
        )
    return Model(path, manifest, content)


def compiled_path(path: Path) -> Path:
    """The path of the Edge TPU variant, next to the CPU's model."""
    return path.with_name(f"{path.stem}{_COMPILED_SUFFIX}.tflite")


def with_delegate(model: Model, delegate: Delegate) -> Model:
    """The model, or what was compiled from it, to be run by a delegate at its own input shape alone: a graph that a
    delegate has taken over cannot change its shape any more. Raises DelegateError where nothing was compiled."""
    if not delegate.is_edgetpu:
        fixed = model.manifest.input.model_copy(update={"resizable": False})
        return replace(model, manifest=model.manifest.model_copy(update={"input": fixed}), delegate=delegate)
    path = compiled_path(model.path)
    if not path.is_file():
        raise DelegateError(
            f"there is no {path.name} (compiled for the Edge TPU) next to {model.path}; make it on a PC with "
            "maskd-convert --edgetpu, and copy it there with its .json"
        )
    try:
        compiled = open_model(path, model.manifest.task)
    except MaskdError as error:
        raise DelegateError(str(error)) from error
    if compiled.manifest.compiled is None or compiled.manifest.compiled.source_sha256 != model.manifest.sha256:
        raise DelegateError(
            f"{path} was not compiled from the current {model.path.name}; compile it again with maskd-convert --edgetpu"
        )
    return replace(compiled, delegate=delegate)


def check_input(path: Path, manifest: Manifest, actual: TensorInfo) -> None:
    """Raises MaskdError where a model's input is not what its manifest says."""
    size = manifest.input
    expected_shape = (1, size.height, size.width, 3)
    if actual.dtype != size.dtype:
        refuse(path, f"its input is {actual.dtype}, but its manifest says {size.dtype}")
    if actual.shape != expected_shape:
        refuse(path, f"its input has the shape {actual.shape}, but its manifest says {expected_shape}")
    if manifest.quantization is None:
        if actual.scale:
            refuse(path, f"its input is quantized with scale {actual.scale:g}, but its manifest has no quantization")
        return
    quantization = manifest.quantization.input
    if (
        abs(actual.scale - quantization.scale) > 1e-4 * quantization.scale
        or actual.zero_point != quantization.zero_point
    ):
        refuse(
            path,
            f"its input is quantized with scale {actual.scale:g} and zero point {actual.zero_point}, but its "
            f"manifest says {quantization.scale:g} and {quantization.zero_point}",
        )


def refuse(path: Path, why: str) -> NoReturn:
    """Raises the MaskdError for a model that does not match its manifest."""
    raise MaskdError(f"the model {path} is refused: {why}; convert it again with maskd-convert")


def _shipped_models() -> dict[str, Path]:
    """Path of each shipped .tflite by name: inside the installed package, or in the checkout."""
    package = Path(edge.__file__).parent
    folder = next((f for f in (package / "models", package.parent / "models") if f.is_dir()), None)
    models = [] if folder is None else folder.glob("*.tflite")
    return {path.stem: path for path in models if not path.stem.endswith(_COMPILED_SUFFIX)}
