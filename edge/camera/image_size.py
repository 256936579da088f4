"""What an image file is and how many pixels it claims, read from its first bytes before anything is decoded."""

from __future__ import annotations

import re
import struct
from typing import Literal

ImageKind = Literal["jpeg", "png", "bmp", "webp", "tiff", "pnm", "heic", "avif"]

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"miaf"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers; the three left out are DHT, JPG and DAC (ITU T.81, table B.1)."""


def image_kind(start: bytes) -> ImageKind | None:
    """By the first bytes of a file, at least 64 of them; None: none of these."""
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if start.startswith(b"BM"):
        return "bmp"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    if start[:4] in (b"II*\0", b"MM\0*"):
        return "tiff"
    if re.match(rb"P[1-6]\s", start):
        return "pnm"
    if start[4:8] == b"ftyp":
        return _heif_kind(start)
    return None


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that the file claims; None: its header does not say, so that it cannot be decoded either."""
    try:
        match image_kind(data):
            case "jpeg":
                return _jpeg_size(data)
            case "png":
                return _pair(">II", data, 16)
            case "bmp":
                return _pair("<HH", data, 18) if data[14] == 12 else _pair("<ii", data, 18)
            case "webp":
                return _webp_size(data)
            case "tiff":
                return _tiff_size(data)
            case "pnm":
                return _pnm_size(data)
    except (struct.error, IndexError):
        pass
    return None


def _heif_kind(start: bytes) -> ImageKind | None:
    """By the brands of the `ftyp` box; a video's are others."""
    length = min(int.from_bytes(start[:4], "big"), len(start))
    brands = [start[8:12], *(start[i : i + 4] for i in range(16, length - 3, 4))]
    if brands[0] in _AVIF_BRANDS or (brands[0] in _HEIC_BRANDS and _AVIF_BRANDS & set(brands)):
        return "avif"
    return "heic" if brands[0] in _HEIC_BRANDS else None


def _pair(form: str, data: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, data, at)
    return abs(first), abs(second)  # a bitmap whose rows run downwards has a negative height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 4 <= len(data):
        at = data.find(b"\xff", at)
        if not 0 <= at <= len(data) - 4:
            return None
        marker = data[at + 1]
        if marker in _JPEG_FRAMES:
            height, width = _pair(">HH", data, at + 5)
            return width, height
        if marker == 0xFF:  # padding
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # these stand alone
            at += 2
        elif marker == 0xDA:
            return None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8 ":
            width, height = _pair("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = struct.unpack_from("<I", data, 21)[0]
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return None


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    """Of the first picture: the tags ImageWidth (256) and ImageLength (257)."""
    order = "<" if data.startswith(b"II") else ">"
    directory = struct.unpack_from(order + "I", data, 4)[0]
    found = {}
    for number in range(struct.unpack_from(order + "H", data, directory)[0]):
        at = directory + 2 + 12 * number
        tag, form = struct.unpack_from(order + "HH", data, at)
        if tag in (256, 257):
            found[tag] = struct.unpack_from(order + ("H" if form == 3 else "I"), data, at + 8)[0]
    return (found[256], found[257]) if len(found) == 2 else None


def _pnm_size(data: bytes) -> tuple[int, int] | None:
    match = re.match(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s", data[:4096])
    return (int(match[1]), int(match[2])) if match else None
