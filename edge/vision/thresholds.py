"""The values in effect for one camera: its own, else the section's, else what the model recommends."""

from __future__ import annotations

from dataclasses import dataclass

from edge.config import CameraSettings, ComplianceSettings, Config

_OVER_COMPLIANCE = ("min_votes", "majority", "hold_s")
"""Settings of compliance that a camera can have of its own."""


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
    detector = config.detector
    own_score, own_confidence = None, None
    if camera is not None:
        own_score, own_confidence = config.cameras[camera].min_score, config.cameras[camera].min_confidence
    min_score = _first(own_score, detector.min_score, recommended.min_score)
    return Thresholds(
        min_score=min_score,
        low_score=min(min_score, _first(detector.low_score, min_score / 5)),
        min_confidence=_first(own_confidence, config.classifier.min_confidence, recommended.min_confidence),
        min_face_px=detector.min_face_px,
        max_faces=detector.max_faces,
    )


def camera_compliance(config: Config, camera: str) -> ComplianceSettings:
    """The section with the camera's own values laid over it."""
    own = {name: getattr(config.cameras[camera], name) for name in _OVER_COMPLIANCE}
    return config.compliance.model_copy(update={name: value for name, value in own.items() if value is not None})


def effective_setting(
    config: Config, camera: str | None, setting: str, recommended: Recommendations
) -> bool | float | str:
    """The value in effect of a setting that can be changed while maskd runs; `camera` None: `privacy`.

    Raises KeyError for a camera that there is not.
    """
    if camera is None:
        return str(getattr(config, setting))
    if setting in ("min_score", "min_confidence"):
        return float(getattr(camera_thresholds(config, camera, recommended), setting))
    source: CameraSettings | ComplianceSettings = config.cameras[camera]
    if setting in _OVER_COMPLIANCE:
        source = camera_compliance(config, camera)
    value: bool | float | str = getattr(source, setting)
    return value


def _first(*values: float | None) -> float:
    """The first that is set."""
    return next(value for value in values if value is not None)
