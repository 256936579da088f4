"""Photos as phones, cameras and broken downloads leave them: what follows a picture, what is missing, and its size."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import MAX_PIXELS
from edge.camera.image_size import image_kind, image_size
from edge.camera.photos import read_photo
from edge.demo_clip import CLIP
from edge.errors import MaskdError

NOISE = np.random.default_rng(1).integers(0, 255, (120, 160, 3), dtype=np.uint8)
SMOOTH = cv2.resize(NOISE[:6, :8], (160, 120), interpolation=cv2.INTER_CUBIC)


def jpeg(picture: np.ndarray = SMOOTH, *options: int) -> bytes:
    return cv2.imencode(".jpg", picture, list(options))[1].tobytes()


WHOLE = jpeg()
MOTION = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + CLIP.read_bytes()[24:20_000]
SAMSUNG = b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + MOTION + b"SEFH\x6a\0\0\0\1\0\0\0" + bytes(12) + b"\x18\0\0\0SEFT"
TAILS = {
    "an end marker twice": b"\xff\xd9",
    "zeros": bytes(4096),
    "one zero": b"\0",
    "fill bytes": b"\xff" * 32,
    "a line break": b"\r\n",
    "text": b"<?xpacket end='w'?>" * 20,
    "a motion photo of Google": MOTION,
    "a motion photo of Samsung": SAMSUNG,
    "Samsung's trailer alone": b"SEFH\x6a\0\0\0\0\0\0\0\x10\0\0\0SEFT",
    "a second picture (MPF)": jpeg(NOISE),
    "a second picture, cut off": jpeg(NOISE)[:2000],
    "a second picture without its end": jpeg(NOISE)[:-2],
    "a depth map": cv2.imencode(".png", NOISE)[1].tobytes(),
    "a start of scan": b"\xff\xda" * 10,
    "a start of picture": b"\xff\xd8\xff\xe1",
    "a table without an end": b"\xff\xdb\xff\xff" + bytes(20),
    "an archive": b"PK\3\4" + os.urandom(4096),
    "random bytes": np.random.default_rng(2).bytes(50_000),
    "a sound note": b"RIFF\x24\0\0\0WAVEfmt " + bytes(2000),
    "HTML of a proxy": b"<html><body>" + b"\xff\xda\0" * 30,
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_what_follows_a_picture_is_left_aside(tmp_path: Path, tail: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    for name, start in {"baseline": WHOLE, "progressive": jpeg(SMOOTH, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)}.items():
        path = tmp_path / f"{name}.jpg"
        path.write_bytes(start)
        alone = read_photo(path)
        path.write_bytes(start + tail)
        assert np.array_equal(read_photo(path), alone)
    assert capfd.readouterr() == ("", "")


def with_thumbnail(data: bytes, *, cut: int = 0) -> bytes:
    thumbnail = jpeg(NOISE[:60, :80])
    content = b"Exif\0\0" + thumbnail[: len(thumbnail) - cut]
    return data[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + data[2:]


KINDS = {
    "smooth": WHOLE,
    "noise": jpeg(NOISE),
    "grey": cv2.imencode(".jpg", SMOOTH[..., 0])[1].tobytes(),
    "progressive": jpeg(NOISE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restart markers": jpeg(NOISE, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "a thumbnail": with_thumbnail(WHOLE),
    "a thumbnail that is truncated": with_thumbnail(WHOLE, cut=200),
}


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_a_picture_without_its_end_marker_is_whole(
    tmp_path: Path, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    whole = read_photo(path)
    for missing, padding in ((1, b""), (2, b""), (2, bytes(5000))):
        path.write_bytes(data[:-missing] + padding)
        assert np.array_equal(read_photo(path), whole)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_a_picture_of_which_data_is_missing_is_cut_off(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.jpg"
    for share in (0.5, 0.8, 0.9):
        for padding in (b"", bytes(5000)):
            path.write_bytes(data[: int(len(data) * share)] + padding)
            with pytest.raises(MaskdError, match="is truncated; copy it again"):
                read_photo(path)


# --- HEIC ---


@pytest.mark.parametrize(
    ("start", "kind", "tool"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "heif-convert"),
        (b"\0\0\0\x24ftypmif1\0\0\0\0MiHEmif1miafheic", "HEIC", "heif-convert"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF", "avifdec"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf", "AVIF", "avifdec"),
    ],
)
@pytest.mark.parametrize("name", ["IMG_0001.HEIC", "IMG_0001.jpg", "IMG_0001"])
def test_heic_is_refused_with_the_way_to_convert_it(
    tmp_path: Path, start: bytes, kind: str, tool: str, name: str
) -> None:
    (tmp_path / name).write_bytes(start + bytes(5000))
    with pytest.raises(MaskdError, match=f"is {kind}, which is not supported; convert it to JPEG .{tool}"):
        read_photo(tmp_path / name)


def test_a_video_is_not_taken_for_heic() -> None:
    assert image_kind(CLIP.read_bytes()[:256]) is None


# --- size ---


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm", ".pgm"])
def test_the_size_is_read_from_the_header(suffix: str) -> None:
    picture = NOISE[:50, :70] if suffix != ".pgm" else NOISE[:50, :70, 0]
    assert image_size(cv2.imencode(suffix, picture)[1].tobytes()) == (70, 50)


def test_the_size_of_other_variants_is_read_too() -> None:
    lossless = cv2.imencode(".webp", NOISE[:50, :70], [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert image_size(lossless) == (70, 50)
    extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (69).to_bytes(3, "little") + (49).to_bytes(3, "little")
    assert image_size(extended) == (70, 50)
    assert image_size(jpeg(NOISE[:50, :70], cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) == (70, 50)
    assert image_size(b"P5 # a comment\n# another\n70\n50 255\n") == (70, 50)
    assert image_size(b"BM" + bytes(12) + struct.pack("<Iii", 40, 70, -50)) == (70, 50)
    assert image_size(b"BM" + bytes(12) + struct.pack("<IHH", 12, 70, 50)) == (70, 50)
    assert image_size(b"MM\0*\0\0\0\x08\0\2\1\0\0\4\0\0\0\1\0\0\0\x46\1\1\0\3\0\0\0\1\0\x32\0\0") == (70, 50)
    for data in (WHOLE, extended, b"P5 70", b"II*\0\xff\xff\xff\xff", b"BM", b"\x89PNG\r\n\x1a\n"):
        for length in range(min(len(data), 200)):
            image_size(data[:length])  # raises nothing


def with_size(data: bytes, width: int, height: int) -> bytes:
    at = next(i for i in range(len(data)) if data[i] == 0xFF and data[i + 1] in (0xC0, 0xC2))
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    framed = [len(c).to_bytes(4, "big") + k + c + zlib.crc32(k + c).to_bytes(4, "big") for k, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize(
    "data",
    [
        with_size(WHOLE, 12_000, 12_000),
        with_size(jpeg(SMOOTH, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 12_000, 12_000),
        png_header(12_000, 12_000),
        b"BM" + bytes(12) + struct.pack("<Iii", 40, 12_000, 12_000) + bytes(100),
        b"P6 12000 12000 255\n" + bytes(100),
        b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (11_999).to_bytes(3, "little") * 2 + bytes(100),
        b"II*\0\x08\0\0\0\2\0\0\1\3\0\1\0\0\0\xe0\x2e\0\0\1\1\3\0\1\0\0\0\xe0\x2e\0\0" + bytes(100),
    ],
    ids=["jpeg", "progressive", "png", "bmp", "ppm", "webp", "tiff"],
)
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(MaskdError, match=r"is too large, 12000 x 12000 pixels; scale it down to 67"):
        read_photo(path)


def test_the_largest_phone_photo_is_read() -> None:
    assert 9248 * 6936 <= MAX_PIXELS < 12_000 * 12_000


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(MaskdError, match="is a device or a pipe, not a photo"):
        read_photo(tmp_path / "a.jpg")
