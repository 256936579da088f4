"""What a snapshot shows: the picture in which an event happened, with every face made unrecognisable."""

from __future__ import annotations

from typing import Literal

from edge.payloads.statuses import UNKNOWN
from edge.people.hiding import boxes_to_hide
from edge.people.scene import Scene
from edge.people.transition import Transition
from edge.vision.hidden_faces import SILHOUETTE, Colour, as_jpeg, framed, pixelated, shrunk, silhouettes

_FINE: Colour = (0, 166, 81)
_WRONG: Colour = (214, 40, 40)
_UNKNOWN: Colour = (128, 128, 128)


def snapshot(scene: Scene, transition: Transition, faces: Literal["pixelated", "silhouettes"]) -> bytes:
    """A JPEG, in which the person of the event is framed, or has a colour. Raises DamagedPictureError."""
    assert scene.frame is not None
    picture = shrunk(scene.frame.image)
    height, width = picture.shape[:2]
    scale = width / scene.frame.pixels.size[0]
    hidden = [box.scaled(scale, scale) for box in boxes_to_hide(scene)]
    own = transition.box.scaled(width, height)
    colour = _UNKNOWN if transition.status == UNKNOWN else _FINE if transition.compliant else _WRONG
    if faces == "silhouettes":
        return as_jpeg(silhouettes(picture, [*((box, SILHOUETTE) for box in hidden), (own, colour)]))
    return as_jpeg(framed(pixelated(picture, [*hidden, own]), own, colour))
