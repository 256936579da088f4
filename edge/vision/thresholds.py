"""The values in effect for one camera: its own, else the section's, else what the model recommends."""

from __future__ import annotations

from dataclasses import dataclass

from edge.config import Config
from edge.config.per_camera import for_camera
from edge.config.settable import Settable


@dataclass(frozen=True, slots=True)
class Recommendations:
    """What the manifests of the loaded models advise."""

    min_score: float
    min_confidence: float


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as a face, and as a sure answer.

    A face from `low_score` on is reported, one from `min_score` on is classified as well; an answer below
    `min_confidence` is `unknown`. Faces less than `min_face_px` high are left out, and all but the best `max_faces`.
    """

    min_score: float
    low_score: float
    min_confidence: float
    min_face_px: float = 0.0
    max_faces: int = 50


def camera_thresholds(config: Config, camera: str | None, recommended: Recommendations) -> Thresholds:
    """Those of the camera of this name; None: of one that has no values of its own."""
    own = config if camera is None else for_camera(config, camera)
    min_score = _first(own.detector.min_score, recommended.min_score)
    return Thresholds(
        min_score=min_score,
        low_score=min(min_score, _first(own.detector.low_score, min_score / 5)),
        min_confidence=_first(own.classifier.min_confidence, recommended.min_confidence),
        min_face_px=own.detector.min_face_px,
        max_faces=own.detector.max_faces,
    )


def effective_setting(
    config: Config, camera: str | None, setting: str, recommended: Recommendations
) -> bool | float | str:
    """The value in effect of a setting that commands can change; `camera` None: one of the whole device.

    Raises KeyError for an unknown camera or setting.
    """
    thresholds = camera_thresholds(config, camera, recommended)
    value = getattr(thresholds, setting, None)
    if value is None:
        value = Settable(setting, camera).configured_in(config)
    assert value is not None, f"{setting} is null, but its model has no recommendation"
    return value


def _first(*values: float | None) -> float:
    """The first that is set."""
    return next(value for value in values if value is not None)
