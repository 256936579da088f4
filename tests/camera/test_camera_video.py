"""Video files: order, pace, colours, and what is refused."""

from __future__ import annotations

import time
from pathlib import Path

import av
import numpy as np
import pytest

from edge.camera.build import open_camera
from edge.camera.frame import Frame
from edge.camera.video import VideoCamera, frames
from edge.config import CameraSettings
from edge.errors import MaskdError
from tests.support.pictures import BLUE, RED, is_colour, number_of, numbered, red_left_blue_right, write_video


def settings(**values: object) -> CameraSettings:
    return CameraSettings.model_validate({"source": "video", **values})


def read_all(camera: VideoCamera, pause: float = 0.0) -> list[Frame]:
    camera.open()
    found = []
    while (frame := camera.read()) is not None:
        found.append(frame)
        time.sleep(pause)
    camera.close()
    return found


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_every_frame_comes_in_order_at_the_file_s_own_pace(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, [numbered(i) for i in range(12)], fps=20)
    camera = VideoCamera(path, settings())
    started = time.monotonic()
    found = read_all(camera)
    took = time.monotonic() - started
    assert [number_of(frame.image) for frame in found] == list(range(12))
    assert [frame.number for frame in found] == list(range(12))
    assert np.diff([frame.captured_at for frame in found]) == pytest.approx(0.05, abs=1e-3)
    assert took >= 0.54
    assert found[0].captured_at >= started
    assert camera.live is False


def test_a_late_reader_gets_every_frame_with_the_file_s_own_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(8)], fps=50)
    found = read_all(VideoCamera(path, settings()), pause=0.05)
    assert [number_of(frame.image) for frame in found] == list(range(8))
    assert np.diff([frame.captured_at for frame in found]) == pytest.approx(0.02, abs=1e-3)


def test_colours_and_rotation(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [red_left_blue_right()] * 2)
    upright = next(frames(path)).image
    assert upright.shape == (48, 64, 3)
    assert is_colour(upright, 0.2, 0.5, RED)
    assert is_colour(upright, 0.8, 0.5, BLUE)
    camera = VideoCamera(path, settings(rotate=90))
    camera.open()
    turned = camera.read()
    camera.close()
    assert turned is not None
    assert turned.image.shape == (64, 48, 3)
    assert turned.image.flags.c_contiguous
    assert is_colour(turned.image, 0.5, 0.2, RED)
    assert is_colour(turned.image, 0.5, 0.8, BLUE)
    assert is_colour(next(frames(path, rotate=180)).image, 0.8, 0.5, RED)
    assert is_colour(next(frames(path, rotate=270)).image, 0.5, 0.8, RED)


def test_a_name_with_colons_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "whole.mp4", [numbered(i) for i in range(3)]).rename(tmp_path / "10:30:00.mp4")
    monkeypatch.chdir(tmp_path)
    camera = open_camera("door", CameraSettings.model_validate({"source": "10:30:00.mp4"}))
    camera.open()
    frame = camera.read()
    camera.close()
    assert frame is not None
    assert number_of(frame.image) == 0


def test_loop_goes_on_without_a_break(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(3)], fps=50)
    camera = VideoCamera(path, settings(loop=True))
    camera.open()
    found = [frame for _ in range(8) if (frame := camera.read()) is not None]
    camera.close()
    assert [number_of(frame.image) for frame in found] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert [frame.number for frame in found] == list(range(8))
    assert np.diff([frame.captured_at for frame in found]) == pytest.approx(0.02, abs=1e-3)


def test_a_loop_whose_file_vanishes_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(2)], fps=50)
    camera = VideoCamera(path, settings(loop=True))
    camera.open()
    path.unlink()
    assert camera.read() is not None
    assert camera.read() is not None
    with pytest.raises(MaskdError, match="is missing"):
        camera.read()
    camera.close()


def test_frames_come_unpaced_with_their_positions(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(20)], fps=2)
    found = list(frames(path))
    assert [frame.number for frame in found] == list(range(20))
    assert [frame.captured_at for frame in found] == pytest.approx([i / 2 for i in range(20)], abs=1e-2)


def test_what_is_no_video_is_refused_in_one_quiet_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = write_video(tmp_path / "whole.mp4", [numbered(i) for i in range(5)]).read_bytes()
    capfd.readouterr()
    for name, data in {"empty.mp4": b"", "text.mp4": b"hello\n" * 100, "cut.mp4": whole[: len(whole) // 2]}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MaskdError, match=f"no picture can be read from the video file .*{name}"):
            VideoCamera(tmp_path / name, settings()).open()
    with pytest.raises(MaskdError, match=r"missing\.mp4 is missing"):
        next(frames(tmp_path / "missing.mp4"))
    with pytest.raises(MaskdError, match="is a folder"):
        next(frames(tmp_path))
    assert capfd.readouterr() == ("", "")


def test_a_title_that_is_not_utf_8_does_not_hinder_it(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(path, "w") as container:
        container.metadata["title"] = "visit"
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(1), format="rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    assert b"visit" in content
    path.write_bytes(content.replace(b"visit", b"vi\xff\xfet"))
    assert len(read_all(VideoCamera(path, settings()))) == 2


def test_a_video_whose_decoder_is_lost_on_the_way_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", [numbered(number) for number in range(3)])
    content = path.read_bytes()
    path.write_bytes(content[:50] + content[50:169] * 2 + content[50:])  # a header within the header
    with pytest.raises(MaskdError, match=r"clip\.avi"):
        read_all(VideoCamera(path, settings()))
