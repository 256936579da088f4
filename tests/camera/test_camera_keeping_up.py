"""A live stream that comes faster than it is decoded, and what decoding costs in threads."""

from __future__ import annotations

import contextlib
import io
import os
import time
from pathlib import Path

import av
import av.error
import numpy as np
import pytest

from edge.camera.pictures import Pictures, open_container
from tests.support.http_camera import HttpCamera, Request
from tests.support.mjpeg_server import two_halves
from tests.support.pictures import numbered

RATE, KEY_EVERY = 25, 10


def transport_stream(frames: int) -> bytes:
    """MPEG-2 with a key frame in every KEY_EVERY."""
    written = io.BytesIO()
    with av.open(written, "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = KEY_EVERY
        stream.codec_context.options = {"sc_threshold": "1000000000"}  # no other key frames
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number % 25), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return written.getvalue()


def test_pictures_between_key_frames_are_left_out_until_decoding_has_caught_up() -> None:
    data = transport_stream(frames=900)
    behind = len(data) * 2 // 3

    def answer(request: Request) -> None:
        """What has piled up comes at once, the rest as it is filmed."""
        request.send_response(200)
        request.end_headers()
        request.wfile.write(data[:behind])
        step = (len(data) - behind) // 300
        for position in range(behind, len(data), step):
            request.wfile.write(data[position : position + step])
            time.sleep(1 / RATE)

    with HttpCamera(answer) as server:
        pictures = Pictures(open_container(server.url, timeout=(10, 5)), rotate=0, hurry=True)
        stamps = []
        while (picture := pictures.next(5)) is not None:
            assert picture.stamp is not None
            stamps.append(picture.stamp)
            if len(stamps) > 120:
                break
            if len(stamps) < 80:
                time.sleep(0.02)  # a slow board
        pictures.close()
    gaps = np.diff(stamps) * RATE
    assert gaps[:20] == pytest.approx(1, abs=0.1)
    assert max(gaps) == pytest.approx(KEY_EVERY, abs=0.1), "only key frames while it was behind"
    assert gaps[-10:] == pytest.approx(1, abs=0.1), "and every picture again once it had caught up"


def test_of_mjpeg_that_piled_up_most_is_left_out() -> None:
    jpeg, sent = two_halves(), 400
    part = b"--part\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)

    def answer(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
        request.end_headers()
        request.wfile.write(part * sent)

    with HttpCamera(answer) as server:
        pictures = Pictures(open_container(server.url, timeout=(10, 5)), rotate=0, hurry=True)
        count = 0
        with contextlib.suppress(av.error.OSError):  # the last part has no end
            while pictures.next(5) is not None:
                count += 1
                time.sleep(0.02)  # a slow board
        pictures.close()
    assert 0 < count < sent / 2


def test_many_cameras_do_not_start_threads_of_their_own(tmp_path: Path) -> None:
    codec = next(name for name in ("libx264", "mpeg2video") if name in av.codecs_available)
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(numbered(number, 640, 480), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    before = threads_of_this_process()
    opened = [Pictures(open_container(f"file:{path}"), rotate=0) for _ in range(8)]
    for pictures in opened:
        for _ in range(5):
            picture = pictures.next()
            assert picture is not None
            assert picture.pixels.rgb.shape == (480, 640, 3)
    assert threads_of_this_process() <= before
    for pictures in opened:
        pictures.close()


def threads_of_this_process() -> int:
    """Python's and every library's."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208
