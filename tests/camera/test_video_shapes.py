"""What the container says of its pictures: proportions, rotation, time stamps, codec and size."""

from __future__ import annotations

import resource
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from edge import MAX_PIXELS
from edge.camera.decoded import FrameConverter, clockwise, true_size
from edge.camera.frame import Frame
from edge.camera.video import VideoCamera, frames
from edge.config import CameraSettings
from edge.errors import MaskdError
from edge.vision.preprocess import Image
from tests.support.pictures import BLUE, RED, is_colour, red_left_blue_right, write_video


def write_av(
    path: Path,
    images: Sequence[Image],
    *,
    codec: str = "mpeg4",
    aspect: Fraction | None = None,
    rotation: int = 0,
    stamps: Sequence[int] = (),
    pix_fmt: str = "yuv420p",
) -> Path:
    """`stamps`: of each picture, in hundredths of a second."""
    height, width = images[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.time_base = Fraction(1, 100)
        stream.codec_context.time_base = Fraction(1, 100)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = (stamps[number] if stamps else 4 * number), Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def why(path: Path) -> str:
    with pytest.raises(MaskdError) as refused:
        VideoCamera(path, CameraSettings.model_validate({"source": "auto"})).open()
    assert str(path) in str(refused.value)
    return str(refused.value)


# --- proportions ---


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_pixels_that_are_not_square_are_stretched(tmp_path: Path, name: str) -> None:
    wide = write_av(tmp_path / name, [red_left_blue_right()] * 2, aspect=Fraction(2))
    for frame in frames(wide):
        assert frame.image.shape == (48, 128, 3)
        assert frame.image.flags.c_contiguous
        assert is_colour(frame.image, 0.45, 0.5, RED)
        assert is_colour(frame.image, 0.55, 0.5, BLUE)
    tall = write_av(tmp_path / f"tall-{name}", [red_left_blue_right()] * 2, aspect=Fraction(1, 2))
    assert next(frames(tall)).image.shape == (96, 64, 3)
    assert next(frames(wide, rotate=90)).image.shape == (128, 48, 3)


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [
        ((64, 48), None, (64, 48)),
        ((704, 576), Fraction(12, 11), (768, 576)),
        ((960, 1080), Fraction(2), (1920, 1080)),
        ((960, 1080), None, (1920, 1080)),  # 1080N, whose recorders mostly do not say so
        ((640, 720), Fraction(1), (1280, 720)),
        ((1080, 1920), None, (1080, 1920)),  # a phone held upright
        ((64, 48), Fraction(1, 100), (64, 48)),  # a broken header
        ((64, 48), Fraction(0), (64, 48)),
        ((8192, 8191), Fraction(4), (8192, 8191)),
    ],
)
def test_true_size(size: tuple[int, int], aspect: Fraction | None, expected: tuple[int, int]) -> None:
    assert true_size(*size, aspect) == expected


# --- rotation ---


@pytest.mark.parametrize(("rotation", "red"), [(-90, (0.5, 0.2)), (90, (0.5, 0.8)), (180, (0.8, 0.5))])
def test_a_picture_is_turned_as_the_container_says(tmp_path: Path, rotation: int, red: tuple[float, float]) -> None:
    path = write_av(tmp_path / "clip.mp4", [red_left_blue_right()] * 3, rotation=rotation)
    found = list(frames(path))
    assert len(found) == 3
    for frame in found:
        assert frame.image.shape == ((48, 64, 3) if rotation == 180 else (64, 48, 3))
        assert is_colour(frame.image, *red, RED)
    upright = next(frames(path, rotate=rotation % 360)).image  # the setting comes on top
    assert upright.shape == (48, 64, 3)
    assert is_colour(upright, 0.2, 0.5, RED)


def test_a_matrix_askew_turns_nothing() -> None:
    assert [clockwise(angle) for angle in (0, -90, 90, 180, -180, -90.4, 45, 30)] == [0, 90, 270, 180, 180, 90, 0, 0]


# --- time ---


def test_a_variable_rate_is_kept(tmp_path: Path) -> None:
    stamps = [0, 4, 8, 50, 52, 150]
    path = write_av(tmp_path / "clip.mkv", [red_left_blue_right()] * 6, stamps=stamps)
    assert [frame.captured_at for frame in frames(path)] == pytest.approx([s / 100 for s in stamps], abs=0.002)


def test_a_gap_of_more_than_a_minute_is_a_fault(tmp_path: Path) -> None:
    path = write_av(tmp_path / "clip.mkv", [red_left_blue_right()] * 3, stamps=[0, 4, 100_000])
    found = [frame.captured_at for frame in frames(path)]
    assert found[2] - found[1] < 1


# --- what cannot be decoded ---


def test_a_file_without_pictures_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    assert "has only sound" in why(path)


@pytest.mark.parametrize("sample_entry", [b"evc1", b"zzzz"])
def test_an_intact_file_whose_codec_is_missing_is_not_called_damaged(tmp_path: Path, sample_entry: bytes) -> None:
    intact = write_av(tmp_path / "intact.mp4", [red_left_blue_right()] * 3).read_bytes()
    path = tmp_path / "exotic.mp4"
    path.write_bytes(intact.replace(b"mp4v", sample_entry).replace(b"esds", b"free"))
    assert "the codec of" in why(path)


def test_av1_is_read_or_its_codec_named(tmp_path: Path) -> None:
    encoder = next((name for name in ("libsvtav1", "libaom-av1") if name in av.codecs_available), None)
    if encoder is None:
        pytest.skip("this PyAV cannot write AV1")
    path = write_av(tmp_path / "clip.mp4", [red_left_blue_right(320, 240)] * 3, codec=encoder)
    if "libdav1d" in av.codecs_available:
        assert len(list(frames(path))) == 3
    else:
        assert "the codec of" in why(path)


def test_a_claim_of_an_enormous_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """An AVI of Motion JPEG whose header and JPEG claim 12000 x 12000 pixels."""
    path = write_video(tmp_path / "bomb.avi", [red_left_blue_right()] * 2)
    data = bytearray(path.read_bytes())
    side = 12000
    position = data.find(b"\xff\xc0")
    while position >= 0:
        data[position + 5 : position + 9] = struct.pack(">HH", side, side)
        position = data.find(b"\xff\xc0", position + 2)
    position = data.find(b"strf") + 8
    data[position + 4 : position + 12] = struct.pack("<ii", side, side)
    path.write_bytes(data)
    assert side * side > MAX_PIXELS
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "larger than the 67 megapixels" in why(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kB"


def test_a_name_with_colons_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_av(tmp_path / "clip.mp4", [red_left_blue_right()] * 2).rename(tmp_path / "10:30:00.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(list(frames(Path("10:30:00.mp4")))) == 2


def test_a_file_that_breaks_off_shows_what_is_there_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_av(tmp_path / "clip.ts", [red_left_blue_right()] * 20, codec="mpeg2video")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert 5 < len(list(frames(path))) < 20


# --- work that is not done ---


def test_a_frame_that_is_not_looked_at_is_not_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_av(tmp_path / "clip.mp4", [red_left_blue_right()] * 10)
    converted = []
    convert = FrameConverter._rgb

    def counting(self: FrameConverter, frame: av.VideoFrame, size: tuple[int, int], degrees: int) -> Image:
        converted.append(frame.pts)
        return convert(self, frame, size, degrees)

    monkeypatch.setattr(FrameConverter, "_rgb", counting)
    found = list(frames(path))
    assert len(found) == 10
    assert converted == []
    assert is_colour(found[9].image, 0.2, 0.5, RED)
    assert found[9].image is found[9].image
    assert len(converted) == 1


def test_a_frame_may_hold_its_picture() -> None:
    image = red_left_blue_right()
    assert Frame(image, 0.0, 0).image is image
