"""Of an address only scheme, host, port and what is known to be harmless are shown, wherever it turns up."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera.source import Stream
from edge.camera.source_masking import mask_source, secrets_of
from edge.camera.stream import StreamCamera
from edge.cli import main
from edge.config import CameraSettings, Config
from edge.config.file import show_config
from edge.daemon.logs import MaskingFormatter
from edge.errors import MaskdError
from edge.system.masking import hide, mask_line, mask_url
from tests.support.mosquitto import free_port

SECRET = "S3cr3tT0ken"

FORMS = (
    "rtsp://HOST/live?authbasic=SECRET",
    "http://HOST/snap.cgi?userpwd=admin:SECRET&channel=1",
    "rtsp://HOST/live?pw=SECRET",
    "rtsp://HOST/live?jwt=SECRET",
    "http://HOST/live?%70wd=SECRET",
    "http://HOST/live?p%77d=SECRET&channel=1",
    "rtsp://HOST/live?pass%3DSECRET",
    "rtsp://HOST/live?pass%253DSECRET",
    "rtsp://SECRET@HOST/live",
    "rtsp://SECRET:x@HOST/live",
    "rtsp://:SECRET@HOST/live",
    "rtsp://user:SECRET@HOST/live",
    "rtsp://user:p@SECRET@HOST/live",
    "rtsp://user:12/SECRET@HOST/live",
    "rtsp://user:a?SECRET@HOST/live",
    "rtsp://user%3ASECRET@HOST/live",
    "rtsp://user%253ASECRET%2540HOST/live",
    "RTSP://user:SECRET@HOST/live",
    "HTTP://HOST/?TOKEN=SECRET",
    "rtsp://HOST/SECRET/live",
    "rtsp://HOST/SECRET",
    "rtsp://HOST//SECRET?enableSrtp",
    "rtsp://HOST/live/SECRET.sdp",
    "rtsp://HOST/live-SECRET",
    "https://HOST/hls/SECRET/index.m3u8",
    "rtmp://HOST/app/SECRET",
    "srt://HOST?passphrase=SECRET&mode=caller",
    "rtsp://HOST/live#SECRET",
    "rtsp://HOST/live#token=SECRET",
    "rtsp://HOST/live?SECRET",
    "rtsp://HOST/live?SECRET=1",
    "rtsp://HOST/live?a[b]=SECRET",
    "rtsp://HOST/live?channel=SECRET",
    "rtsp://HOST/live?x=1=SECRET",
    "rtsp://HOST/live;user=admin;pass=SECRET",
    "rtsp://HOST/live,pass=SECRET",
    "rtsp://HOST/user=admin_password=SECRET_channel=1_stream=0.sdp?real_stream",
    "rtsp://HOST/user=admin&password=SECRET&channel=1&stream=0.sdp",
    "rtsp://HOST/user=SECRET_password=x_channel=1",
    "http://HOST/?url=rtsp://user:SECRET@HOST/live",
    "http://HOST/?url=rtsp%3A%2F%2Fuser%3ASECRET%40HOST%2Flive",
    "http://HOST/?url=rtsp%253A%252F%252Fuser%253ASECRET%2540HOST",
    "rtsp://HOST/a'SECRET",
    'rtsp://HOST/a"SECRET',
    "rtsp://HOST/<SECRET>",
    "rtsp://HOST/a b SECRET",
    "rtsp://user: SECRET@HOST/live",
    "rtsp://user:it's SECRET@HOST/live",
    "gst: rtspsrc location=rtsp://HOST/live user-id=admin user-pw=SECRET ! decodebin",
    'gst: rtspsrc location=rtsp://HOST/live user-id=SECRET user-pw="SECRET x" ! decodebin',
    'gst: rtspsrc location="rtsp://HOST/SECRET" latency=0 ! decodebin',
    "GST: rtspsrc location=rtsp://admin:SECRET@HOST/live ! decodebin",
    'gst: souphttpsrc location=http://HOST/live extra-headers="a,Authorization=(string)SECRET" ! jpegdec',
    "gst: souphttpsrc location=http://HOST/live cookies=SECRET ! jpegdec",
    "gst: souphttpsrc location=http://HOST/live unknown=SECRET ! jpegdec",
)
"""HOST stands for a host with its port."""

CLEAN = (
    "rtsp://192.168.1.20:554/Streaming/Channels/102",
    "rtsp://camera.local/Streaming/Channels/1602",
    "rtsp://10.0.0.3/cam/realmonitor?channel=1&subtype=1",
    "http://10.0.0.1:8080/video.mjpg?resolution=640x480&fps=15",
    "rtsp://host/axis-media/media.amp?videocodec=h264&resolution=1280x720",
    "http://host/axis-cgi/mjpg/video.cgi?camera=1",
    "rtsp://host/h264Preview_01_main",
    "rtsp://host/live/ch00_0",
    "rtsp://host/onvif/profile2/media.smp",
    "rtsp://host:8554/unicast/c1/s0/live",
    "rtsp://[fe80::1]:554/stream1",
    "rtsp://viewer@host/cam1",
    "gst: v4l2src device=/dev/video0 ! image/jpeg, width=1280, height=720, framerate=30/1 ! jpegdec ! videoconvert",
    "gst: rtspsrc location=rtsp://host/live latency=100 ! rtph264depay ! h264parse ! avdec_h264 ! videoconvert",
    "gst: libcamerasrc camera-name=/base/soc/i2c0mux/i2c@1/ov5647@36 ! video/x-raw,width=640,format=NV12",
    "/dev/video0",
    "/srv/visits/2026-11-20 front door.mp4",
    "auto",
)

AROUND = (
    "{}",
    "camera door: the stream {} does not open: 401 Unauthorized; see a@b.example",
    "[Errno 5] Input/output error: '{}'; last error log: [rtsp] method DESCRIBE failed",
    '{{"source": "{}", "fps": 15}}',
)


def of(form: str, host: str = "192.168.1.20:554") -> str:
    return form.replace("SECRET", SECRET).replace("HOST", host)


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_hidden_and_the_host_stays(form: str) -> None:
    """Everything after host and port of a camera's address is hidden, unless it is known to be harmless."""
    source = of(form)
    shown = mask_source(source)
    assert SECRET not in shown
    assert "192.168.1.20:554" in shown or "%" in form
    assert mask_source(shown) == shown, "masked once more it stays as it is"
    secrets = secrets_of(source)
    for around in AROUND:
        assert SECRET not in hide(around.format(source), secrets)
    # FFmpeg and GStreamer repeat parts of an address, also decoded.
    assert SECRET not in hide(f"404 Not Found: /live/{SECRET}/index", secrets)


@pytest.mark.parametrize("form", [form for form in FORMS if "'" not in form and '"' not in form and "<" not in form])
def test_it_is_hidden_in_any_text_by_its_form_alone(form: str) -> None:
    if " " in form and not form.lower().startswith("gst:") and "@" not in form:
        pytest.skip("where such an address ends in a text cannot be known")
    if "unknown=" in form or "user-id=SECRET" in form:
        pytest.skip("only mask_source() knows that this is a pipeline")
    for around in AROUND:
        assert SECRET not in mask_url(around.format(of(form)))
    assert SECRET not in mask_line(f"    source: {of(form)}  # the door")


@pytest.mark.parametrize("source", CLEAN)
def test_what_is_harmless_stays_readable(source: str) -> None:
    assert mask_source(source) == source
    assert secrets_of(source) == frozenset()


TOKENS = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=8, max_size=24)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_-[]%25", min_size=1, max_size=12)


@given(TOKENS, NAMES, st.sampled_from(["/", "?", "#", "&", ";", "/live?channel=1&", "/cam/"]), st.integers(0, 2))
def test_a_secret_under_any_name_is_hidden(token: str, name: str, before: str, encoded: int) -> None:
    value = token
    for _ in range(encoded):
        value = quote(f"={value}/")
    for piece in (value, f"{name}={value}", f"{value}={name}", f"{name}:{value}", f"{name}={name}={value}"):
        source = f"rtsp://192.168.1.20:554/{piece}" if before == "/" else f"rtsp://192.168.1.20:554/live{before}{piece}"
        assert token not in mask_source(source)
        assert token not in mask_url(f"the stream {source}: lost")
        assert mask_source(source).startswith("rtsp://192.168.1.20:554/")


@given(st.text(min_size=1, max_size=30).filter(lambda text: "\n" not in text and "\r" not in text), st.booleans())
def test_masking_never_fails_and_stays_as_it_is(text: str, as_login: bool) -> None:
    source = f"rtsp://user:{text}@host/live" if as_login else f"rtsp://host/{text}"
    for mask in (mask_source, mask_url, mask_line):
        shown = mask(source)
        assert mask(shown) == shown
    secrets_of(source)


@given(st.lists(st.sampled_from(["rtsp", "://", "@", ":", "/", "=", "***", "a", " ", "'", "%3A", "&", "!", "gst:"])))
def test_pieces_of_addresses_in_any_order_are_masked_to_the_end(pieces: list[str]) -> None:
    for mask in (mask_source, mask_url):
        assert mask(mask("".join(pieces))) == mask("".join(pieces))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("sent Bearer abcdefghij.klm", "sent Bearer ***"),
        ("Basic authentication failed", "Basic authentication failed"),
        ("user:hunter2@192.168.1.20 is unknown", "***:***@192.168.1.20 is unknown"),
        ("12:30:01 camera door: connected", "12:30:01 camera door: connected"),
    ],
)
def test_secrets_without_an_address(text: str, masked: str) -> None:
    assert mask_url(text) == masked


@pytest.mark.parametrize("form", [form for form in FORMS if form.startswith(("rtsp://", "http://"))])
def test_what_a_camera_says_of_itself_and_of_its_failure(form: str) -> None:
    url = of(form, f"127.0.0.1:{free_port()}")
    settings = CameraSettings.model_construct(source=Stream(url, url))
    camera = StreamCamera(url, settings, open_timeout_ms=2000)
    assert SECRET not in camera.describe()
    with pytest.raises(MaskdError) as raised:
        camera.open()
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("form", FORMS)
def test_no_printout_shows_it(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.yaml"
    quoted = of(form).replace("'", "''")
    path.write_text(f"cameras:\n  door:\n    source: '{quoted}'\n    enabled: false\nmqtt: {{enabled: false}}\n")
    main(["config", "show", "-c", str(path)])
    if not form.startswith(("gst", "GST")):
        main(["detect", of(form, f"127.0.0.1:{free_port()}")])
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err


def test_a_configuration_knows_its_secrets_and_the_log_hides_them() -> None:
    config = Config.model_validate({"cameras": {"door": {"source": f"rtsp://host/{SECRET}/live"}}})
    assert SECRET in config.secrets
    assert SECRET not in show_config(config)
    formatter = MaskingFormatter("%(message)s")
    formatter.secrets = config.secrets
    record = logging.LogRecord("libav.http", logging.ERROR, "", 0, "404 for /%s/live", (SECRET,), None)
    assert formatter.format(record) == "404 for /***/live"
