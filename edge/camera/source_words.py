"""Words that people write for a camera, and the ones that maskd knows."""

from __future__ import annotations

import re

_USB = re.compile(
    r"(?:usb[ _-]?(?:web)?(?:cam(?:era)?)?|web[ _-]?cam(?:era)?|uvc|v4l2?"
    r"|(?:cam(?:era)?|\\?(?:dev[/\\])?video)(?=.?\d))"
    r"[ :_/-]?(\d{0,3})",
    re.IGNORECASE,
)
_RASPBERRY_PI = re.compile(
    r"(?:r?pi(?:[ _-]?cam(?:era)?2?)?|raspi(?:cam(?:era)?)?|raspberry[ _-]?pi|libcamera)[ :_-]*(\d{0,2})",
    re.IGNORECASE,
)
_JETSON = re.compile(r"(?:csi[ _-]?(?:cam(?:era)?)?|jetson|nvargus(?:camerasrc)?|argus)[ :_-]*(\d{0,2})", re.IGNORECASE)


def problem_of_words(text: str) -> str | None:
    """What to write instead of a word that only looks like one of maskd's; None: it does not look like one.

    A file or folder of such a name is still reached with its path, such as ./camera.
    """
    if text.startswith("-") and text[1:].isdigit():
        return "cameras are numbered from 0; write /dev/video0 or 0 for the first one, or auto"
    if match := _USB.fullmatch(text):
        device = f"/dev/video{match[1] or 0}"
        return f'"{text}" is not the name of a camera; write auto for the first one that works, or its path, {device}'
    for pattern, kind, board in ((_RASPBERRY_PI, "picamera", "Raspberry Pi"), (_JETSON, "csi", "Jetson")):
        if match := pattern.fullmatch(text):
            known = f"{kind}:{int(match[1])}" if match[1] else kind
            return f'"{text}" is not the name of a camera; for a {board}\'s ribbon-cable camera write {known}'
    if re.match(r"gst\w*\s*:", text, re.IGNORECASE) or re.search(r"\s!\s", text):
        return "it looks like a GStreamer pipeline; write gst: in front of it"
    return None
