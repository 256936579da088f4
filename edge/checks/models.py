"""Both models: the file, its shapes, and a photo with a known answer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edge.checks.jobs import Job, run_together
from edge.checks.row import Row, judged
from edge.config import Config
from edge.errors import UsageError
from edge.people.known_statuses import require_known_statuses
from edge.vision.accelerator import without_delegate

if TYPE_CHECKING:
    from edge.geometry import Box
    from edge.vision.faces import Face

LIMIT_S = 10.0
LEAST_OVERLAP = 0.4
"""Of a face found with where it is, as a share of both."""
SHIPPED_DETECTORS = ("face-detector", "face-detector-far")
SHIPPED_CLASSIFIERS = ("mask-classifier",)
_REMEDY = (
    "the runtime computes wrongly on this processor, or the installation is damaged: reinstall maskd and its runtime"
)


def model_rows(config: Config) -> list[Row]:
    """On the CPU. Needs OpenCV."""
    on_cpu = without_delegate(config)
    too_slow = f"timed out after {LIMIT_S:g} s; stop other programs that load this device"
    jobs = [
        Job("detector", config.detector.model, lambda: _try_detector(on_cpu), LIMIT_S, too_slow),
        Job("classifier", config.classifier.model, lambda: _try_classifier(on_cpu), LIMIT_S, too_slow),
    ]
    # One after the other: each model's time is its own, and the runtimes' chatter is caught in one place.
    return [row for job in jobs for row in run_together([job])]


def judge_faces(found: Sequence[Face], expected: Sequence[Box]) -> str | None:
    """Why these are not the faces of the self-test photo; None: they are."""
    missed = [box for box in expected if not any(face.box.iou(box) >= LEAST_OVERLAP for face in found)]
    if not missed and len(found) == len(expected):
        return None
    return f"it finds {len(found)} faces in the self-test photo, and misses {len(missed)} of its {len(expected)}"


def judge_statuses(said: Sequence[str], expected: Sequence[str]) -> str | None:
    """Why these are not the statuses of the self-test photo's faces; None: they are."""
    if list(said) == list(expected):
        return None
    return f"it labels the self-test photo's faces {', '.join(said)} instead of {', '.join(expected)}"


def _try_detector(config: Config) -> Iterator[Row]:
    """Finds, compares with its manifest, loads and runs it."""
    from edge.selftest import EXPECTED, selftest_photo
    from edge.vision.build import build_detector

    photo = selftest_photo()
    detector = build_detector(config)
    detector.detect(photo, detector.recommended_min_score)  # the first run allocates
    started = time.perf_counter()
    faces = detector.detect(photo, detector.recommended_min_score)
    elapsed_ms = (time.perf_counter() - started) * 1000
    is_shipped = config.detector.kind == "tflite" and config.detector.model in SHIPPED_DETECTORS
    wrong = judge_faces(faces, [box for box, _ in EXPECTED]) if is_shipped else None
    yield judged(
        "detector",
        f"{detector.identity}, {len(faces)} of {len(EXPECTED)} faces in the self-test photo, {elapsed_ms:.1f} ms",
        failures=[f"{wrong}: {_REMEDY}"] if wrong else [],
        figures={"model": detector.identity, "faces": len(faces), "elapsed_ms": round(elapsed_ms, 1)},
    )


def _try_classifier(config: Config) -> Iterator[Row]:
    from edge.payloads.statuses import UNKNOWN
    from edge.selftest import EXPECTED, selftest_photo
    from edge.vision.build import build_classifier

    photo = selftest_photo()
    boxes = [box for box, _ in EXPECTED]
    classifier = build_classifier(config)
    classifier.classify(photo, boxes)
    started = time.perf_counter()
    answers = classifier.classify(photo, boxes)
    elapsed_ms = (time.perf_counter() - started) * 1000
    said = [answer.status for answer in answers]
    is_shipped = config.classifier.model in SHIPPED_CLASSIFIERS
    wrong = judge_statuses(said, [status for _, status in EXPECTED]) if is_shipped else None
    warnings = []
    if strangers := [s for s in config.compliance.compliant if s not in (*classifier.labels, UNKNOWN)]:
        warnings.append(
            f"compliance.compliant lists {', '.join(strangers)}, which this model never outputs; its labels are "
            f"{', '.join(classifier.labels)}"
        )
    failures = [f"{wrong}: {_REMEDY}"] if wrong else []
    try:
        require_known_statuses(config, classifier.labels)
    except UsageError as error:
        failures.append(str(error))
    yield judged(
        "classifier",
        f"{classifier.identity}, labels its faces {', '.join(said)}, {elapsed_ms:.1f} ms",
        failures=failures,
        warnings=warnings,
        figures={
            "model": classifier.identity,
            "least_confidence": round(min(answer.confidence for answer in answers), 3),
            "elapsed_ms": round(elapsed_ms, 1),
        },
    )
