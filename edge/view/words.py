"""Each fault of a view in one sentence, which says what to do."""

from __future__ import annotations

from collections.abc import Mapping

from edge.payloads.view_fault import ViewFault

_SENTENCES: Mapping[ViewFault, str] = {
    "frozen": "the picture is frozen: no pixel has changed for minutes; restart the camera",
    "dark": "the picture is too dark to see a face; switch on a light, or uncover the lens",
    "overexposed": "most of the picture is white; lower the camera's exposure, or turn it away from the light",
    "covered": "nothing can be made out in the picture; uncover or clean the lens",
    "backlit": (
        "faces are dark before a bright background; turn the camera away from the window, or turn on its backlight "
        "compensation (WDR)"
    ),
    "blurred": "the picture is out of focus; focus the lens, or clean it",
    "moved": (
        "it no longer shows the scene that it showed before; turn it back, or, if it is to stay so, draw its zones "
        "again, then switch the camera off and on"
    ),
    "small_faces": (
        "most faces are less than {needed_px} pixels high, which is too small to be found and judged reliably; move "
        "the camera closer, or zoom in"
    ),
}


def sentence(fault: ViewFault, needed_px: float) -> str:
    """`needed_px`: the height of the smallest face that the models take reliably."""
    return _SENTENCES[fault].format(needed_px=round(needed_px))


def is_about_view(problem: str) -> bool:
    """Whether this problem of the status is such a sentence."""
    return any(text.rpartition("}")[2] in problem for text in _SENTENCES.values())
