"""One conversion from beginning to end: load, quantize, prove, install."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError
from tqdm import tqdm

from converter.calibration import calibration_faces, calibration_pictures
from converter.card import ModelCard, read_card
from converter.convert import convert_float, convert_floating, convert_int8
from converter.float_model import ColorOrder, FloatModel, Preprocess, Size, load_float_model
from converter.install import install
from converter.judge import Reading, one_face, require_likeness, require_sense
from converter.manifest import build_manifest
from converter.verify import Verification, measure_cost, verify_classifier, verify_detector
from edge.errors import MaskdError, UsageError
from edge.evaluation.examples import FaceCrop, PhotoData, face_crops, face_finder, load_photos, whole_image
from edge.evaluation.labels.names import STATUSES, LabelNames
from edge.system.printable import one_line
from edge.vision.model import Manifest, Model, Task
from edge.vision.preprocess import Image

DEFAULT_STRIDES = (8, 16, 32)
Quantize = Literal["int8", "dynamic", "float"]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was asked for; None where the model's card or the model itself is to say."""

    model: Path
    data: tuple[Path, ...]
    out: Path = Path("models")
    name: str | None = None
    version: str = "1.0.0"
    task: Task | None = None
    labels: tuple[str, ...] | None = None
    crop_margin: float | None = None
    preprocess: Preprocess | None = None
    input_size: Size | None = None
    calibration_photos: int = 300
    color_order: ColorOrder = "rgb"
    quantize: Quantize = "int8"
    max_drop: float = 1.0
    """Points (hundredths) of accuracy or AP50."""
    whole_image: bool = False
    detector: str = "face-detector"
    label_map: Mapping[str, str] = field(default_factory=dict)
    """What labels of other names mean."""
    seed: int = 1


def run(conversion: Conversion) -> Path:
    """Converts, prints what it found out, and returns the path of the installed .tflite.

    Raises MaskdError, with nothing installed, for what cannot be converted or loses more than `max_drop`.
    """
    card = describe(conversion)
    columns = len(card.labels) if card.task == "mask_classification" else None
    _say(f"loading {conversion.model}")
    model = load_float_model(
        conversion.model,
        preprocess=_preprocess(conversion),
        color_order=conversion.color_order,
        input_size=conversion.input_size,
        columns=columns,
    )
    _check_fits(conversion, card, model)
    if model.is_single_sigmoid:
        _say(f"its single output is interpreted as the probability of {card.labels[1]}, the second label")
    data = _read_data(conversion, card)

    content = _quantized(conversion, card, model, data)
    manifest = _manifest(content, card, conversion.version)

    crops = _test_crops(card, model, data) if card.task == "mask_classification" else []
    if crops:
        require_sense(model, crops, Reading(card.labels, _preprocess(conversion), conversion.color_order))
    verification = _verify(model, Model(conversion.model, manifest, content), card, data, crops)
    verification = replace(verification, quantized_as=conversion.quantize)
    cost = measure_cost(convert_float(model), content)
    metrics = [*verification.metrics, *cost]
    print(replace(verification, metrics=metrics).as_text(), flush=True)
    _say_what_it_cannot_tell(verification, conversion.max_drop)
    require_likeness(verification, conversion.max_drop)
    path = install(content, manifest.model_copy(update={"metrics": metrics}), conversion.out)
    _say(f"installed {path} and {path.with_suffix('.json').name}")
    return path


def describe(conversion: Conversion) -> ModelCard:
    """The model's card with what the flags say instead. Raises UsageError where both leave something open."""
    path = conversion.model
    if not path.exists():
        raise UsageError(f"there is no model {path}; give a .keras or .h5 file or a SavedModel folder")
    card = read_card(path)
    task = conversion.task or (card.task if card else None) or ("mask_classification" if conversion.labels else None)
    if task is None:
        raise UsageError(
            f"{path} has no {path.with_suffix('.json').name} next to it that describes it; give --labels "
            "with_mask,without_mask or --task face_detection"
        )
    name = conversion.name or (card.name if card else None) or re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")
    try:
        described = ModelCard(
            **(card.model_dump(exclude={"task", "name"}) if card else {}),
            task=task,
            name=name or "model",
        )
    except ValidationError:
        raise UsageError(f"--name {name!r}: use letters, digits, dots, dashes and underscores") from None
    if conversion.labels is not None:
        described = described.model_copy(update={"labels": conversion.labels})
    if conversion.crop_margin is not None:
        described = described.model_copy(update={"crop_margin": conversion.crop_margin})
    if task == "mask_classification" and len(described.labels) < 2:
        raise UsageError(
            f"{path} does not say what its outputs mean; give --labels with_mask,without_mask in their order"
        )
    if task == "face_detection" and not described.strides:
        described = described.model_copy(update={"strides": DEFAULT_STRIDES})
    return described


def _quantized(conversion: Conversion, card: ModelCard, model: FloatModel, data: PhotoData) -> bytes:
    if conversion.quantize != "int8":
        _say(f"converting with --quantize {conversion.quantize}: it computes in floating point, for the CPU only")
        return convert_floating(model, dynamic_range=conversion.quantize == "dynamic")
    calibration = _calibration(conversion, card, model, data)
    _say(f"quantizing with {len(calibration)} calibration pictures")
    return convert_int8(model, calibration)


def _say_what_it_cannot_tell(verification: Verification, max_drop: float) -> None:
    count = verification.headline.count
    if verification.agreement is not None and 0 < max_drop < one_face(count):
        _say(
            f"{count} test faces are too few to measure a loss of {max_drop:g} points: one face is "
            f"{one_face(count):.1f}, and one is tolerated; give more --data"
        )


def _preprocess(conversion: Conversion) -> Preprocess:
    return conversion.preprocess or "none"


def _check_fits(conversion: Conversion, card: ModelCard, model: FloatModel) -> None:
    foreign = read_card(conversion.model) is None
    if foreign and conversion.preprocess is None and not model.has_normalisation:
        raise UsageError(
            f"no layer inside {conversion.model} normalises pixels; give the preprocessing of its training: "
            "--preprocess mobilenet_v2 (x / 127.5 - 1), unit (x / 255) or none (0 to 255)"
        )
    height, width = model.input_size
    if card.task == "face_detection":
        if height % max(card.strides) or width % max(card.strides):
            raise UsageError(
                f"the detector's input of {height}x{width} is not a multiple of its stride {max(card.strides)}"
            )
        return
    if height != width:
        raise UsageError(f"the classifier's input of {height}x{width} is not square, and faces are cropped to squares")
    if model.output_shapes != ((len(card.labels),),):
        raise UsageError(
            f"{conversion.model} outputs {_shapes(model)} for a face, which does not match the {len(card.labels)} "
            f"labels {', '.join(card.labels)}; see --labels and --task"
        )


def _shapes(model: FloatModel) -> str:
    return " and ".join("x".join(map(str, shape)) or "1" for shape in model.output_shapes) + " values"


def _read_data(conversion: Conversion, card: ModelCard) -> PhotoData:
    find_faces = whole_image if conversion.whole_image else face_finder(conversion.detector)
    names = LabelNames(card.labels or STATUSES, conversion.label_map)
    data = load_photos(conversion.data, conversion.seed, find_faces, names=names)
    for problem in data.problems:
        _say(f"skipped: {one_line(problem)}")
    for line in data.taken_lines():
        _say(line)
    sizes = ", ".join(f"{len(photos)} {name}" for name, photos in data.splits.items())
    _say(f"photos: {sizes}; {len(data.problems)} problem(s); {data.corrections_text()}")
    _say(data.not_looked_at_text())
    if not data.splits["train"]:
        raise MaskdError("the folders given with --data hold no photo to calibrate with")
    return data


def _calibration(conversion: Conversion, card: ModelCard, model: FloatModel, data: PhotoData) -> list[Image]:
    height, width = model.input_size
    photos, count, seed = data.splits["train"], conversion.calibration_photos, conversion.seed
    if card.task == "face_detection":
        pictures = calibration_pictures(photos, height=height, width=width, count=count, seed=seed)
    else:
        pictures = calibration_faces(photos, margin=card.crop_margin, size=width, count=count, seed=seed)
    collected = list(_progress(pictures, "calibration", min(count, len(photos))))
    if not collected:
        raise MaskdError("the photos given with --data show no labelled face to calibrate with")
    return collected


def _manifest(content: bytes, card: ModelCard, version: str) -> Manifest:
    try:
        return build_manifest(content, card, version=version)
    except ValidationError as error:
        raise UsageError(
            f"the model cannot be described ({error.errors()[0]['msg'].removeprefix('Value error, ')})"
        ) from None


def _verify(
    model: FloatModel, int8: Model, card: ModelCard, data: PhotoData, crops: Sequence[FaceCrop]
) -> Verification:
    if card.task == "mask_classification":
        return verify_classifier(model, int8, crops)
    test = data.splits["test"]
    return verify_detector(model, int8, _progress(test, "test photos", len(test)))


def _test_crops(card: ModelCard, model: FloatModel, data: PhotoData) -> list[FaceCrop]:
    test = data.splits["test"]
    crops, other_labels = face_crops(
        _progress(test, "test photos", len(test)), card.labels, margin=card.crop_margin, size=model.input_size[1]
    )
    for label, count in other_labels.items():
        _say(f"left out: {count} test faces labelled {label}, which is unknown to the model")
    return crops


def _progress(items: Iterable[Item], what: str, total: int) -> Iterable[Item]:
    return tqdm(items, desc=what, total=total, leave=False, disable=None)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
