"""What one look at one camera showed: the value that the vision thread hands on to everyone else."""

from __future__ import annotations

from dataclasses import dataclass

from edge.camera.frame import Frame
from edge.geometry import Box
from edge.people.transition import Transition
from edge.people.zones import ZoneStay
from edge.vision.faces import Face
from edge.vision.masks import Classification


@dataclass(frozen=True, slots=True)
class Person:
    """One track as the look left it. Times are in monotonic seconds."""

    track: str
    box: Box
    """Where the face was last seen, in pixels."""
    score: float
    """The detector's score of that face."""
    seen: bool
    """Whether this look showed the face."""
    confirmed: bool
    """Seen often enough to count as a person."""
    first_seen: float
    last_seen: float
    status: str | None
    """What was announced; None before `started`."""
    classification: Classification | None
    """The classifier's latest answer; None before the first."""
    classified_at: float | None
    """When the picture of that answer was taken."""
    zones: tuple[ZoneStay, ...]
    """The zones that the person is in, and those left since the look before."""
    compliant: bool | None = None
    """Whether the announced status complies where the person is; None before `started`."""
    breaks_in: tuple[str, ...] = ()
    """The zones whose own rule it breaks."""


@dataclass(frozen=True, slots=True)
class LookTimings:
    """What one look cost; zeros where there was no picture."""

    detect_ms: float = 0.0
    classify_ms: float = 0.0
    """For all faces together."""
    classified: int = 0
    """Faces that went through the classifier."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One look at one camera: a picture, or the news that there is none."""

    camera: str
    frame: Frame | None
    """None: no picture came this round, and time alone may have ended a track."""
    people: tuple[Person, ...]
    """Everyone who is followed, unconfirmed tracks among them, whether or not this look showed them."""
    transitions: tuple[Transition, ...]
    """What happened, in order."""
    timings: LookTimings = LookTimings()
    faces: tuple[Face, ...] = ()
    """Everything that the detector found on the picture, best first; faint faces carry a track on, but start none."""
    needed_px: float = 0.0
    """Height in pixels of the smallest face that the models find and judge reliably on this picture; 0: there is
    none."""
    is_still: bool = False
    """The scene was empty and nothing moved, so the detector skipped the picture."""
