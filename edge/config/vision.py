"""The settings of what is done with one picture: finding faces, judging them, and what runs the models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from edge.config.fields import Fraction, Settings, Text, contradiction, text_at_home
from edge.config.traits import LIVE, Control, Traits


def _text_if_scalar(value: object) -> object:
    """Options reach a delegate as text, in which true is `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _edgetpu_or_library(value: str) -> str:
    if value != "edgetpu" and ".so" not in Path(value).suffixes:
        raise PydanticCustomError("delegate", "{value} is neither edgetpu nor a library (.so)", {"value": value})
    return value


ModelName = Annotated[Text, AfterValidator(text_at_home)]


class DetectorSettings(Settings):
    model: ModelName = "face-detector"
    """A built-in model, or the path of a .tflite with its manifest next to it; with `kind` yunet or res10, the path of
    that network's file."""
    kind: Literal["tflite", "yunet", "res10"] = "tflite"
    """The network's family: maskd's own, or one of two public detectors, whose file you supply."""
    min_score: Annotated[
        Fraction | None,
        Traits(effect="live", per_camera=True, control=Control("face score", widget="slider", step=0.01)),
    ] = None
    """Lowest score of a face; null: the model's recommendation."""
    low_score: Annotated[Fraction | None, LIVE] = None
    """Lowest score of a face that continues a track; null: a fifth of min_score. Never above a camera's min_score."""
    nms_iou: Fraction = 0.5
    """When two boxes overlap by more than this fraction (IoU), the lower-scoring one is dropped."""
    min_face_px: Annotated[float, Field(ge=0), LIVE] = 12
    """Faces less than this many pixels high are ignored."""
    max_faces: Annotated[int, Field(ge=1, le=1000), LIVE] = 50
    """Most faces per picture; the highest scores are kept."""
    motion_gate: Annotated[bool, Traits(effect="live", per_camera=True)] = True
    """While the scene is empty and nothing moves, the detector runs only every still_s seconds; false: on every
    picture."""
    still_s: Annotated[float, Field(gt=0, le=10), LIVE] = 1.0
    """Seconds between two runs of the detector while nothing moves."""

    @model_validator(mode="after")
    def _scores_in_order(self) -> DetectorSettings:
        if self.low_score is not None and self.min_score is not None and self.low_score > self.min_score:
            raise contradiction(
                "low_score",
                f"{self.low_score:g} is above detector.min_score, {self.min_score:g}; "
                "the score for carrying on a track must be the lower of the two",
            )
        return self


class ClassifierSettings(Settings):
    model: ModelName = "mask-classifier"
    """A built-in model, or the path of a .tflite with its manifest next to it."""
    min_confidence: Annotated[
        Fraction | None,
        Traits(effect="live", per_camera=True, control=Control("mask confidence", widget="slider", step=0.01)),
    ] = None
    """Below this confidence the status is `unknown`; null: the model's recommendation."""
    recheck_s: Annotated[float, Field(ge=0, le=10), LIVE] = 0.5
    """Seconds between two judgements of a person whose status has settled; 0: every picture is judged. Everyone else is
    judged in every picture."""


class RuntimeSettings(Settings):
    backend: Literal["auto", "litert", "tflite-runtime"] = "auto"
    """What runs the models; auto: whichever is installed, LiteRT first."""
    workers: Annotated[int, Field(ge=1, le=16)] | None = None
    """Vision threads, each with models of its own, which share the cameras; null: one for each camera, as far as there
    are cores, at most 4; 1 with a delegate."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """CPU threads per model. A second one finishes a picture sooner, and takes a fifth more processor time."""
    hot_fps: Annotated[Annotated[float, Field(ge=1, le=60)] | None, LIVE] = 5.0
    """Pictures a second of each camera that vision looks at while the processor throttles from heat; null: every
    picture that it manages."""
    delegate: Annotated[Text, AfterValidator(_edgetpu_or_library), AfterValidator(text_at_home)] | None = None
    """edgetpu, or the path of another TFLite delegate's library (.so); null: the CPU runs the models."""
    delegate_options: dict[Text, Annotated[str, BeforeValidator(_text_if_scalar)]] = {}
    """Options passed to the delegate, such as {device: "usb:0"} for one of several Edge TPUs."""

    @model_validator(mode="after")
    def _options_have_delegate(self) -> RuntimeSettings:
        if self.delegate_options and self.delegate is None:
            raise contradiction("delegate_options", "there is no delegate for them; set runtime.delegate too")
        return self
