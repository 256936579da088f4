"""Photos: what can be read, what is refused, and how a folder is shown."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.camera.photos import PhotosCamera, photo_paths, read_photo
from edge.config import CameraSettings
from edge.errors import MaskdError
from tests.support.pictures import BLUE, RED, is_colour, number_of, numbered, red_left_blue_right, write_photo


def settings(**values: object) -> CameraSettings:
    return CameraSettings.model_validate({"source": "photos", "photo_seconds": 0.2, **values})


def is_image(array: NDArray[Any]) -> bool:
    return array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and bool(array.flags.c_contiguous)


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF block that holds nothing but the tag Orientation."""
    tag = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\x00\x00"
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + tag + b"\x00\x00\x00\x00"
    return jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff", ".ppm"])
def test_colours_come_out_as_rgb(tmp_path: Path, suffix: str) -> None:
    image = read_photo(write_photo(tmp_path / f"ä photo{suffix}", red_left_blue_right()))
    assert is_image(image)
    assert image.shape == (48, 64, 3)
    assert is_colour(image, 0.1, 0.5, RED)
    assert is_colour(image, 0.9, 0.5, BLUE)


def test_exif_turns_the_photo_upright(tmp_path: Path) -> None:
    plain = write_photo(tmp_path / "plain.jpg", red_left_blue_right())
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(with_exif_orientation(plain.read_bytes(), 6))  # 6: turn clockwise to see it upright
    image = read_photo(turned)
    assert is_image(image)
    assert image.shape == (64, 48, 3)
    assert is_colour(image, 0.5, 0.1, RED)
    assert is_colour(image, 0.5, 0.9, BLUE)


def test_grey_sixteen_bit_and_transparent_photos(tmp_path: Path) -> None:
    grey = np.full((48, 64), 100, np.uint8)
    sixteen = np.full((48, 64), 100 << 8, np.uint16)
    sixteen_colours = np.zeros((48, 64, 3), np.uint16)
    sixteen_colours[:, :] = (0, 0, 0xFFFF)  # BGR
    transparent = np.zeros((48, 64, 4), np.uint8)
    transparent[:, :] = (0, 0, 255, 128)
    cases: list[tuple[str, NDArray[np.unsignedinteger], tuple[int, int, int]]] = [
        ("grey.png", grey, (100, 100, 100)),
        ("grey.jpg", grey, (100, 100, 100)),
        ("sixteen.png", sixteen, (100, 100, 100)),
        ("sixteen_colours.png", sixteen_colours, RED),
        ("transparent.png", transparent, RED),
    ]
    for name, picture, colour in cases:
        cv2.imwrite(str(tmp_path / name), picture)
        image = read_photo(tmp_path / name)
        assert is_image(image), name
        assert np.abs(image[24, 32].astype(int) - np.array(colour)).max() <= 1, name


def test_what_is_no_photo_is_refused_in_one_quiet_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    jpeg = write_photo(tmp_path / "whole.jpg", noise).read_bytes()
    png = write_photo(tmp_path / "whole.png", noise).read_bytes()
    for name, data, expected in [
        ("empty.jpg", b"", "is empty"),
        ("half.jpg", jpeg[: len(jpeg) // 2], "is truncated"),
        ("header.jpg", jpeg[:300], "cannot be decoded|is truncated"),
        ("half.png", png[: len(png) // 2], "is truncated"),
        ("half_with_preview.jpg", with_exif_orientation(jpeg, 1)[:4] + b"\xff\xd9" + jpeg[20:900], "is truncated"),
        ("text.jpg", b"<html>404</html>" * 20, "cannot be decoded"),
        ("zeros.png", bytes(5000), "cannot be decoded"),
        ("long_chunk.png", png[:33] + b"\x7f\xff\xff\xff" + png[37:], "is truncated"),
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MaskdError, match=f"{name} ({expected})") as caught:
            read_photo(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(MaskdError, match="there is no photo"):
        read_photo(tmp_path / "missing.jpg")
    with pytest.raises(MaskdError, match="is a folder"):
        read_photo(tmp_path)
    assert capfd.readouterr() == ("", "")


def black_png(side: int) -> bytes:
    """A square of one bit per pixel, which compresses to a thousandth of the memory that it takes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    rows = zlib.compress(bytes((side // 8 + 1) * side), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


_READ = """
import resource, sys
from pathlib import Path
from edge.camera.photos import read_photo
from edge.errors import MaskdError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(read_photo(Path(sys.argv[1])).shape)
except MaskdError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(("side", "expected"), [(30_000, "is too large"), (800, "(800, 800, 3)")])
def test_a_decompression_bomb_is_refused_before_it_takes_memory(tmp_path: Path, side: int, expected: str) -> None:
    path = tmp_path / "black.png"
    path.write_bytes(black_png(side))
    assert path.stat().st_size < 600_000
    # In a process of its own: the limit is in force where maskd is imported before OpenCV, as its commands do.
    reading = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
    answer, megabytes = reading.stdout.splitlines()
    assert expected in answer
    assert int(megabytes) < 100


def test_photos_of_a_folder_are_sorted_and_others_left_out(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.jpeg", "notes.txt", "d.mp4", "._a.png"):
        (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    assert [path.name for path in photo_paths(tmp_path)] == ["a.png", "b.JPG", "c.jpeg"]
    with pytest.raises(MaskdError, match="cannot be read"):
        photo_paths(tmp_path / "missing")


def test_a_folder_is_shown_in_order_at_its_pace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for number in (0, 2, 1):
        write_photo(tmp_path / f"{number}.png", numbered(number))
    (tmp_path / "1b.jpg").write_bytes(b"broken")
    camera = PhotosCamera("hall", tmp_path, settings(photo_seconds=0.4))
    started = time.monotonic()
    camera.open()
    frames = []
    while (frame := camera.read()) is not None:
        frames.append(frame)
    took = time.monotonic() - started
    camera.close()
    assert [number_of(frame.image) for frame in frames] == [0, 0, 1, 1, 2, 2]  # 0.4 s at 5 frames per second
    assert [frame.number for frame in frames] == [0, 1, 2, 3, 4, 5]
    assert np.diff([frame.captured_at for frame in frames]) == pytest.approx(0.2)
    assert took >= 0.99
    assert camera.unreadable == 1
    assert caplog.text.count("1b.jpg") == 1
    assert camera.live is False
    assert camera.describe() == str(tmp_path)


def test_a_folder_loops_and_turns(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", red_left_blue_right())
    camera = PhotosCamera("hall", tmp_path, settings(photo_seconds=0.01, loop=True, rotate=90))
    camera.open()
    frames = [camera.read() for _ in range(5)]
    camera.close()
    assert camera.read() is None
    for number, frame in enumerate(frames):
        assert frame is not None
        assert frame.number == number
        assert is_image(frame.image)
        assert frame.image.shape == (64, 48, 3)
        assert is_colour(frame.image, 0.5, 0.1, RED)


def test_folders_without_a_usable_photo_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskdError, match="holds no photos"):
        PhotosCamera("hall", tmp_path, settings()).open()
    with pytest.raises(MaskdError, match="there is no folder or photo"):
        PhotosCamera("hall", tmp_path / "missing.jpg", settings()).open()
    (tmp_path / "a.jpg").write_bytes(b"broken")
    camera = PhotosCamera("hall", tmp_path, settings(loop=True))
    camera.open()
    with pytest.raises(MaskdError, match="none of the 1 photos"):
        camera.read()
