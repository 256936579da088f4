"""Whether a JPEG file holds its whole picture, and where that ends: phones append videos, previews and notes."""

from __future__ import annotations

import re

import av
import av.error
from av.video.codeccontext import VideoCodecContext

_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
"""The end of a scan's data. FF 00 is a value of FF in it, and FF D0 to FF D7 are its restart markers."""
_END = b"\xff\xd9"


def whole_picture(data: bytes) -> bytes | None:
    """The file from its start to the end of its picture, whatever follows; None: the picture is cut off.

    `data` begins with a start-of-image marker. A picture that lacks its end marker alone, or with it the last bytes
    (which show in its bottom right corner, if at all), is whole.
    """
    at, scans = 2, 0
    while True:
        # Bytes that belong to no segment are passed over, as libjpeg does.
        marker = _MARKER.search(data, at)
        if marker is None:
            return _without_end_marker(data) if scans else None
        at, kind = marker.end(), data[marker.end() - 1]
        if kind == 0xD9:
            return data[:at]
        if kind in (0x01, 0xD8):
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            return None
        at += length
        scans += kind == 0xDA


def _without_end_marker(data: bytes) -> bytes | None:
    # A download that stopped leaves zeros where the rest was to come.
    data = re.sub(rb"\xff\Z", b"", data.rstrip(b"\0")) + _END
    return data if _decodes_to_the_end(data) else None


def _decodes_to_the_end(data: bytes) -> bool:
    """FFmpeg's decoder can be told to fail where a scan's data ends too early, which OpenCV's hides."""
    decoder = av.CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.options = {"err_detect": "explode"}
    decoder.thread_count = 1
    try:
        return bool([*decoder.decode(av.Packet(data)), *decoder.decode(None)])
    except (av.error.FFmpegError, ValueError):
        return False
