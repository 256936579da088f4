"""How a JPEG's EXIF note says that it has to be turned."""

from __future__ import annotations

import struct

_SEGMENT_HEADER = 4
_START_OF_SCAN = 0xDA
_APP1 = 0xE1
_EXIF = b"Exif\x00\x00"
_ORIENTATION = 0x0112


def orientation(jpeg: bytes) -> int:
    """1 to 8 as EXIF counts them; 1 (upright) where nothing, or nothing readable, is said, or it is not a JPEG."""
    if not jpeg.startswith(b"\xff\xd8"):
        return 1
    position = 2
    while position + _SEGMENT_HEADER <= len(jpeg) and jpeg[position] == 0xFF:
        marker, length = jpeg[position + 1], int.from_bytes(jpeg[position + 2 : position + 4], "big")
        content = jpeg[position + _SEGMENT_HEADER : position + 2 + length]
        if marker == _APP1 and content.startswith(_EXIF):
            return _in_tiff(content[len(_EXIF) :])
        if marker == _START_OF_SCAN:
            break
        position += 2 + length
    return 1


def _in_tiff(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _kind, _values, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
            if tag == _ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
