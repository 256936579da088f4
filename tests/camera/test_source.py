"""What `source` says: parsed by its text alone, and what is misspelt is answered with the right spelling."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge.camera.source import Auto, Csi, Demo, Files, Pipeline, RaspberryPi, Source, Stream, V4l2, parse_source
from edge.config import CameraSettings
from edge.config.file import load_config, show_config
from edge.errors import UsageError


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("auto", Auto("auto")),
        (" Auto ", Auto("Auto")),
        ("demo", Demo("demo")),
        ("0", V4l2("0", "/dev/video0")),
        ("12", V4l2("12", "/dev/video12")),
        ("/dev/v4l/by-id/usb-cam", V4l2("/dev/v4l/by-id/usb-cam", "/dev/v4l/by-id/usb-cam")),
        ("picamera", RaspberryPi("picamera", 0)),
        ("picamera:1", RaspberryPi("picamera:1", 1)),
        ("csi", Csi("csi", 0)),
        ("CSI:1", Csi("CSI:1", 1)),
        ("gst: videotestsrc ! x", Pipeline("gst: videotestsrc ! x", "videotestsrc ! x")),
        ("rtsp://host/x", Stream("rtsp://host/x", "rtsp://host/x")),
        ("RTSP://Host/X", Stream("RTSP://Host/X", "rtsp://Host/X")),
        (
            "rtsp://me:p%23ss@host:554/a?b=c@d",
            Stream("rtsp://me:p%23ss@host:554/a?b=c@d", "rtsp://me:p%23ss@host:554/a?b=c@d"),
        ),
        ("rtsp://me:p@ss@host/x", Stream("rtsp://me:p@ss@host/x", "rtsp://me:p@ss@host/x")),
        ("http://[fe80::1]:8080/x", Stream("http://[fe80::1]:8080/x", "http://[fe80::1]:8080/x")),
        ("http://host/a@b", Stream("http://host/a@b", "http://host/a@b")),
        ("http://host:80/a:b@c", Stream("http://host:80/a:b@c", "http://host:80/a:b@c")),
        ("udp://@239.0.0.1:1234", Stream("udp://@239.0.0.1:1234", "udp://@239.0.0.1:1234")),
        ("10:30:00.mp4", Files("10:30:00.mp4", Path("10:30:00.mp4"))),
        ("a:b.jpg", Files("a:b.jpg", Path("a:b.jpg"))),
        ("csi.mp4", Files("csi.mp4", Path("csi.mp4"))),
        ("camera.mp4", Files("camera.mp4", Path("camera.mp4"))),
        ("./usb", Files("./usb", Path("usb"))),
        ("video", Files("video", Path("video"))),
        ("rtsp://me:a b@host/c d", Stream("rtsp://me:a b@host/c d", "rtsp://me:a%20b@host/c%20d")),
        ("~/visit.mp4", Files("~/visit.mp4", Path.home() / "visit.mp4")),
        ("file:///a%20b/c#1.mp4", Files("file:///a%20b/c#1.mp4", Path("/a b/c#1.mp4"))),
        ("file://~/visit.mp4", Files("file://~/visit.mp4", Path.home() / "visit.mp4")),
        ("file://localhost/visit.mp4", Files("file://localhost/visit.mp4", Path("/visit.mp4"))),
        ("photos of 3:4", Files("photos of 3:4", Path("photos of 3:4"))),
        ("2026-11-28T10:30.mp4", Files("2026-11-28T10:30.mp4", Path("2026-11-28T10:30.mp4"))),
    ],
)
def test_a_text_names_one_kind_of_source(text: str, source: Source) -> None:
    assert parse_source(text) == source
    assert CameraSettings.model_validate({"source": text}).source == source


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("rstp://host/x", "rstp:// is unknown; write rtsp://"),
        ("rtps://host/x", "write rtsp://"),
        ("rtspp://host/x", "write rtsp://"),
        ("rtsps2://host/x", "write rtsps://"),
        ("htpp://host/x", "write http://"),
        ("htttps://host/x", "write https://"),
        ("gopher://host/x", "a network camera's address begins with one of rtsp://"),
        ("mqtt://host", "it is a broker's address, which belongs in mqtt.host"),
        ("mqtts://me:secret@host", "belongs in mqtt.host"),
        ("onvif://host", "write the RTSP address"),
        ("smb://nas/x.mp4", "mount the share"),
        ("v4l2:///dev/video0", "write its path, such as /dev/video0"),
        ("rtsp:/host/x", "write rtsp://"),
        ("rtsp:host/x", "write rtsp://"),
        ("rtsp//host/x", "write rtsp://"),
        ("rtsp ://host/x", "write rtsp://"),
        (r"http:\\host\x", "write http://"),
        ("192.168.1.20", "write rtsp://192.168.1.20 or http://192.168.1.20"),
        ("192.168.1.20:554/stream", "write rtsp://192.168.1.20:554/stream"),
        ("cam.local:554/stream", "write rtsp://cam.local:554/stream"),
        ("admin:secret@192.168.1.20/x", "write rtsp:// or http:// in front of it"),
        ("rtsp://", "it has no host"),
        ("rtsp:///stream", "it has no host"),
        ("rtsp://host:port/x", "is not a port from 1 to 65535"),
        ("rtsp://host:99999/x", "is not a port from 1 to 65535"),
        ("http://[::1/x", "write it in brackets"),
        ("http://fe80::1/x", "write http://[fe80::1]/"),
        ("rtsp://me:p#secret@host/x", "contains #, which would end it early; percent-encode it: write # as %23"),
        ("rtsp://me:12#secret@host/x", "write # as %23"),
        ("rtsp://me:p/secret@host/x", "write / as %2F"),
        ("rtsp://me:p?secret@host/x", "write ? as %3F"),
        ("rtsp://me:p?a#secret@host/x", "write ? as %3F and # as %23"),
        ("rtsp://me:a@b#secret@host/x", "write # as %23"),
        ("usb", "write auto for the first one that works, or its path, /dev/video0"),
        ("USB:1", "/dev/video1"),
        ("webcam", "/dev/video0"),
        ("usb camera", "/dev/video0"),
        ("video2", "/dev/video2"),
        ("dev/video2", "/dev/video2"),
        ("-1", "cameras are numbered from 0"),
        ("picam", "write picamera"),
        ("picamera2", "write picamera"),
        ("libcamera", "write picamera"),
        ("pi:1", "write picamera:1"),
        ("csi0", "write csi:0"),
        ("nvarguscamerasrc", "write csi"),
        ("nvarguscamerasrc ! nvvidconv", "write gst: in front of it"),
        ("gst:", "it has no pipeline"),
        ("gstreamer: videotestsrc", "write gst: in front of it"),
        ("file://videos/visit.mp4", "with a third slash"),
        ("file:visit.mp4", "with a third slash"),
        ("~nobody-of-this-name/x.mp4", "there is no home folder for ~nobody-of-this-name"),
    ],
)
def test_a_misspelt_source_is_answered_with_the_right_spelling(tmp_path: Path, text: str, advice: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_source(text)
    assert advice in str(refused.value)
    assert "secret" not in str(refused.value)
    config = tmp_path / "config.yaml"
    config.write_text(f"cameras: {{door: {{source: '{text}'}}}}\n")
    with pytest.raises(UsageError) as refused:
        load_config(config)
    assert "config.yaml:1:26: cameras.door.source: " in str(refused.value)
    assert advice in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_password_shows_in_no_text_of_a_source(tmp_path: Path) -> None:
    source = parse_source("rtsp://me:hunter2@host/x")
    assert "hunter2" not in f"{source} {source!r} {[source]}"
    assert str(source) == "rtsp://me:***@host/x"
    (tmp_path / "config.yaml").write_text("cameras: {door: {source: 'rtsp://me:hunter2@host/x'}}\n")
    config = load_config(tmp_path / "config.yaml")
    assert "hunter2" not in f"{config!r} {config} {show_config(config)}"


def test_detect_answers_with_the_right_spelling_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge.cli", "detect", "rstp://me:hunter2@host/x", "usb"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert told.returncode == 1
    assert "rstp:// is unknown; write rtsp://" in told.stderr
    assert "/dev/video0" in told.stderr
    assert "hunter2" not in told.stdout + told.stderr
