"""The demo: its clip, its broker, and how it plays, prints and stops. The daemon here is a small fake."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.camera.video import frames
from edge.commands.demo import demo as demo_command
from edge.commands.demo.broker import HOST, Broker, Message, Subscriber
from edge.commands.demo.demo import run_demo
from edge.commands.demo.printout import Printout
from edge.demo_clip import CLIP, CLIP_S, PEOPLE
from edge.errors import MaskdError
from edge.geometry import Box
from edge.payloads.events import ModelNames, event_from_transition, parse_event
from edge.people.transition import Transition
from edge.vision.faces import Face
from edge.vision.masks import Classification
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end
from tests.support.programs import need
from tests.support.scripted import ScriptedCrowd, Shown
from tests.support.transitions import EPOCH
from tests.support.waiting import wait_until
from tests.support.web_page import Client as Browser
from tests.support.web_page import is_listening
from tests.support.weights import YUNET, weights
from tools.demo_clip.clip import (
    APPEARANCES,
    EXPECTED_EVENTS,
    FPS,
    HEIGHT,
    WIDTH,
    Appearance,
    face_box,
    lift_at,
    make_clip,
    pose_at,
    render,
)
from tools.demo_clip.portrait import FACE, Mask, load_portrait, make_sprite

pytest.importorskip("skimage", reason="the demo's clip is made from a portrait in scikit-image")
pytest.importorskip("amqtt", reason="the demo needs the broker amqtt")


# The clip


def test_the_clip_has_the_promised_size_length_and_rate(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    make_clip(path, fps=2.0)
    video = cv2.VideoCapture(str(path))
    pictures = 0
    while video.read()[0]:
        pictures += 1
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (WIDTH, HEIGHT)
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(2.0)
    video.release()
    assert pictures == 2 * CLIP_S
    assert [file.name for file in tmp_path.iterdir()] == ["clip.avi"], "nothing unfinished is left"


def test_a_clip_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MaskdError, match=r"cannot be written to .*missing"):
        make_clip(tmp_path / "missing" / "clip.avi")


def test_the_shipped_clip_is_the_one_that_is_drawn() -> None:
    """MPEG-4 loses a little; another story, rate or place would lose more."""
    shipped = list(frames(CLIP))
    assert len(shipped) == CLIP_S * FPS
    for number, drawn in enumerate(render()):
        assert np.abs(shipped[number].image.astype(np.int16) - drawn).mean() < 4, f"picture {number}"


def test_without_scikit_image_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MaskdError, match="pip install scikit-image"):
        load_portrait()


def test_heads_have_the_size_that_a_doorway_camera_sees() -> None:
    for appearance in APPEARANCES:
        for pose in appearance.poses:
            assert 70 <= face_box(pose).height <= 140


def test_at_most_two_people_at_a_time_and_their_faces_never_touch() -> None:
    for second in np.arange(0, CLIP_S, 1 / FPS):
        present = [pose for appearance in APPEARANCES if (pose := pose_at(appearance, float(second))) is not None]
        assert len(present) <= 2
        if len(present) == 2:
            assert face_box(present[0]).iou(face_box(present[1])) == 0


def test_the_expected_events_tell_one_story_for_each_person() -> None:
    assert [event.from_s for event in EXPECTED_EVENTS] == sorted(event.from_s for event in EXPECTED_EVENTS)
    assert [appearance.name for appearance in APPEARANCES] == [*PEOPLE]
    for appearance in APPEARANCES:
        events = [event for event in EXPECTED_EVENTS if event.person == appearance.name]
        assert (events[0].type, events[-1].type) == ("started", "ended")
        for before, after in pairwise(events):
            assert after.previous == (before.status if after.type == "changed" else None)
            assert after.status == before.status or after.type == "changed"


def test_nobody_is_in_the_picture_at_first_and_at_last() -> None:
    first, *_ = render(fps=1.0, duration_s=1.0)
    *_, last = render(fps=1.0, duration_s=CLIP_S)
    assert np.array_equal(first, last)


@pytest.fixture(scope="module")
def yunet() -> cv2.FaceDetectorYN:
    return cv2.FaceDetectorYN.create(str(weights(YUNET)), "", (WIDTH, HEIGHT), 0.6)


def test_a_face_detector_finds_every_face_and_no_other(yunet: cv2.FaceDetectorYN) -> None:
    """YuNet, which knows nothing of this project, on two pictures a second."""
    cv2.setNumThreads(1)
    fps, checked, found = 2.0, 0, 0
    for number, picture in enumerate(render(fps=fps)):
        _, rows = yunet.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        boxes = [Box(x, y, x + w, y + h) for x, y, w, h in (np.zeros((0, 4)) if rows is None else rows[:, :4])]
        poses = [pose for appearance in APPEARANCES if (pose := pose_at(appearance, number / fps)) is not None]
        for expected in map(face_box, poses):
            if expected.clipped(WIDTH, HEIGHT).area > 0.95 * expected.area:
                checked += 1
                found += any(expected.iou(box) > 0.6 for box in boxes)
        assert all(any(box.iou(face_box(pose)) > 0.1 for pose in poses) for box in boxes)
    assert checked > 30
    assert found == checked


def test_the_mask_covers_what_it_should() -> None:
    """Properly worn, nose and mouth are cloth; under the nose, the nose is skin; without, nothing changes."""
    portrait = load_portrait()
    nose, mouth, eye = (222, 124), (223, 148), (204, 101)

    def changed(mask: Mask | None, lift: float) -> list[bool]:
        sprite = make_sprite(portrait, mask=mask, lift=lift).pixels
        bare = make_sprite(portrait, mask=None).pixels
        return [bool(np.abs(sprite[y, x] - bare[y, x]).max() > 0.1) for x, y in (nose, mouth, eye)]

    blue = Mask((150, 195, 222))
    assert changed(blue, 1.0) == [True, True, False]
    assert changed(blue, 0.0) == [False, True, False]
    assert changed(None, 1.0) == [False, False, False]
    assert all(FACE.x1 < x < FACE.x2 and FACE.y1 < y < FACE.y2 for x, y in (nose, mouth, eye))


@pytest.mark.parametrize("recheck_s", [0.0, 0.5])
@pytest.mark.parametrize("fps", [5.0, FPS])
def test_perfect_models_would_make_of_the_clip_just_the_expected_events(fps: float, recheck_s: float) -> None:
    """The clip's own geometry, followed and decided upon with the default settings."""

    def show(appearance: Appearance, second: float) -> Shown | None:
        pose = pose_at(appearance, second)
        if pose is None:
            return None
        box = face_box(pose).clipped(WIDTH, HEIGHT)
        if box.area < 0.5 * face_box(pose).area:
            return None
        pulled_up = lift_at(appearance, second) > 0.5
        status = "without_mask" if appearance.mask is None else "with_mask" if pulled_up else "mask_weared_incorrect"
        return Shown(Face(box, 0.9), Classification(status, 0.9, {status: 0.9}))

    scripted = ScriptedCrowd(recheck_s=recheck_s)
    transitions: list[Transition] = []
    for number in range(round(CLIP_S * fps)):
        second = number / fps
        picture = [each for appearance in APPEARANCES if (each := show(appearance, second)) is not None]
        transitions += scripted.look(picture, second, (WIDTH, HEIGHT)).transitions
    transitions += scripted.crowd.finish().transitions

    # The tracks are numbered in the order in which A, B and C come in.
    happened = sorted(("ABC"[int(t.track[1:]) - 1], t.type, t.status, t.previous) for t in transitions)
    assert happened == sorted((event.person, event.type, event.status, event.previous) for event in EXPECTED_EVENTS)
    for transition in transitions:
        person = "ABC"[int(transition.track[1:]) - 1]
        (event,) = [e for e in EXPECTED_EVENTS if (e.person, e.type) == (person, transition.type)]
        assert event.from_s - 0.5 <= transition.at <= event.from_s + 4


# The broker


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


def test_the_broker_carries_messages_from_paho_to_the_subscriber_in_order(broker: Broker) -> None:
    with Subscriber(broker.port, "maskd/#") as subscriber:
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        client.connect(HOST, broker.port)
        client.loop_start()
        client.publish("elsewhere", "not subscribed", qos=1)
        sent = [client.publish("maskd/demo/door/event", str(number), qos=1) for number in range(10)]
        sent.append(client.publish("maskd/demo/availability", "offline", qos=1, retain=True))
        for message in sent:
            message.wait_for_publish(20)
        client.disconnect()
        client.loop_stop()
        received = [subscriber.messages.get(timeout=20) for _ in sent]
    assert received == [
        *(Message("maskd/demo/door/event", str(number).encode()) for number in range(10)),
        Message("maskd/demo/availability", b"offline"),
    ]
    assert subscriber.messages.empty()
    assert subscriber.dropped == 0


def test_nothing_acknowledged_is_lost_though_the_sender_leaves_at_once(broker: Broker) -> None:
    """In bytes (MQTT 3.1.1, section 3), because no client library leaves as soon as the last PUBACK is in."""
    count, topic = 100, b"maskd/x"
    connect = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"
    publishes = [
        b"\x32" + bytes([2 + len(topic) + 2 + 1, 0, len(topic)]) + topic + bytes([0, number + 1, number])
        for number in range(count)
    ]
    disconnect = b"\xe0\x00"
    with Subscriber(broker.port, "maskd/#") as subscriber:
        for _ in range(3):
            with socket.create_connection((HOST, broker.port), timeout=20) as sender, sender.makefile("rb") as answers:
                sender.sendall(connect)
                assert answers.read(4) == b"\x20\x02\x00\x00", "not let in"
                sender.sendall(b"".join(publishes))
                assert len(answers.read(4 * count)) == 4 * count
                sender.sendall(disconnect)
            received = [subscriber.messages.get(timeout=20).payload for _ in range(count)]
            assert received == [bytes([number]) for number in range(count)]


def test_mosquitto_sub_can_watch(broker: Broker) -> None:
    need("mosquitto_sub", "mosquitto_pub")
    watching = subprocess.Popen(
        ["mosquitto_sub", "-h", HOST, "-p", str(broker.port), "-t", "maskd/#", "-v", "-C", "1", "-W", "20"],
        stdout=subprocess.PIPE,
        text=True,
    )
    subprocess.run(
        ["mosquitto_pub", "-h", HOST, "-p", str(broker.port), "-t", "maskd/x", "-m", "hello", "-q", "1", "-r"],
        check=True,
        timeout=20,
    )
    assert watching.communicate(timeout=30)[0] == "maskd/x hello\n"


def test_a_broker_stops_while_clients_are_connected_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    broker = Broker()
    broker.start()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.connect(HOST, broker.port)
    client.loop_start()
    wait_until(client.is_connected, what="the connection")
    broker.stop()
    client.loop_stop()
    assert set(threading.enumerate()) <= before
    broker.stop()


def test_brokers_listen_on_loopback_only_and_side_by_side() -> None:
    with Broker() as one, Broker() as other:
        assert one.port != other.port
        listening = {f"0100007F:{broker.port:04X}" for broker in (one, other)}
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ports = tuple(address.split(":")[1] for address in listening)
        assert {line[1] for line in lines if line[3] == "0A" and line[1].endswith(ports)} == listening


# The whole demo, with a fake daemon

FAKE_DAEMON = """
import json, os, signal, sys, threading
from pathlib import Path
import yaml
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

mode, _, path = sys.argv[1:]
config = yaml.safe_load(Path(path).read_text())
assert config["mqtt"]["protocol"] == "3.1.1"
assert Path(config["cameras"]["door"]["source"]).exists()
if mode == "fail":
    sys.exit("model face-detector has been lost")
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
client.connect(config["mqtt"]["host"], config["mqtt"]["port"])
client.loop_start()
for line in Path(__file__).with_name("events").read_text().splitlines():
    client.publish("maskd/demo/door/event", line, qos=1).wait_for_publish(10)
if mode == "wait":
    print("waiting for", os.getpid(), flush=True)
    Path(__file__).with_name("pid").write_text(str(os.getpid()))
    assert stop.wait(60)
client.publish("maskd/demo/availability", "offline", qos=1, retain=True).wait_for_publish(10)
client.disconnect()
client.loop_stop()
"""


def some_events() -> list[bytes]:
    def event(seq: int, kind: str, track: str, status: str, previous: str | None, at: float) -> bytes:
        transition = Transition(
            type=kind,  # type: ignore[arg-type]
            camera="door",
            track=track,
            status=status,
            previous=previous,
            compliant=status == "with_mask",
            confidence=0.97,
            box=Box(0.4, 0.2, 0.5, 0.4),
            zones=(),
            started_at=10.0,
            at=at,
            votes={status: 14},
        )
        models = ModelNames(detector="face-detector/1.0.0", classifier="mask-classifier/1.0.0")
        made = event_from_transition(
            transition, epoch=EPOCH, seq=seq, device="demo", models=models, wall_time=1.8e9 + at
        )
        return made.to_json()

    return [
        event(1, "started", "visit-aaa111", "without_mask", None, 10.5),
        event(2, "changed", "visit-aaa111", "with_mask", "without_mask", 14.0),
        event(3, "started", "visit-bbb222", "without_mask", None, 15.0),
        event(4, "ended", "visit-aaa111", "with_mask", None, 19.0),
        event(5, "ended", "visit-bbb222", "without_mask", None, 22.5),
    ]


@pytest.fixture
def fake_daemon(tmp_path: Path) -> Path:
    (tmp_path / "fake.py").write_text(FAKE_DAEMON)
    events = some_events()
    # The broker may deliver one twice.
    (tmp_path / "events").write_bytes(b"\n".join([*events[:3], events[2], *events[3:]]))
    (tmp_path / "clip.avi").write_bytes(b"not looked at")
    return tmp_path / "fake.py"


def play(fake: Path, mode: str, *, loop: bool = False) -> list[str]:
    out = io.StringIO()
    status = run_demo(out=out, clip=fake.with_name("clip.avi"), daemon=[sys.executable, str(fake), mode], loop=loop)
    assert status == 0
    return out.getvalue().splitlines()


def test_the_demo_prints_each_event_once_and_a_summary(fake_daemon: Path) -> None:
    lines = play(fake_daemon, "end")
    heading = next(index for index, line in enumerate(lines) if line.startswith("time"))
    table = lines[heading + 1 : heading + 6]
    assert [line.split()[2:4] for line in table] == [
        ["started", "aaa111"],
        ["changed", "aaa111"],
        ["started", "bbb222"],
        ["ended", "aaa111"],
        ["ended", "bbb222"],
    ]
    assert table[0].endswith("97%    0.5 s  ✗ without_mask")
    assert table[1].endswith("97%    4.0 s  ✓ without_mask → with_mask")
    assert "2 people, 5 events, 1 with the mask worn correctly when they left." in lines
    assert "Their numbers run from 1 to 5, without a gap." in lines


def test_a_clip_that_goes_on_is_summed_up_once_everyone_has_left(
    fake_daemon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_command, "PEOPLE", {"A": "", "B": ""})
    lines = play(fake_daemon, "end", loop=True)
    assert "The clip goes on in a loop. Ctrl-C ends the demo." in lines


@pytest.mark.slow
def test_a_rule_acts_on_the_people_of_the_clip() -> None:
    """The whole demo as it is, with the real daemon."""
    pytest.importorskip("gpiozero", reason="the demo's lamp is switched by it")
    command = [sys.executable, "-m", "edge.cli", "demo", "--act"]
    lines = subprocess.run(
        command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    ).stdout.splitlines()
    acts = sorted(line.partition("-> ")[2].partition(", for ")[0] for line in lines if "          -> " in line)
    assert any(act.startswith("sound.voice: ") for act in acts)
    assert [act for act in acts if not act.startswith("sound.voice: ")] == [
        "gpio.lamp: off",
        "gpio.lamp: on",
        "webhook chat: door: a person whose mask is worn wrongly",
        "webhook chat: door: a person without a mask",
    ]


def test_the_address_that_is_printed_shows_the_page(tmp_path: Path) -> None:
    """The demo's page is open to this machine alone, by a key that works once, unless --lan asks for more."""
    for option, host in (((), "127.0.0.1"), (("--lan",), "")):
        with (tmp_path / "out").open("w") as out:
            command = [sys.executable, "-m", "edge.cli", "demo", "--loop", *option]
            process = subprocess.Popen(command, stdout=out, cwd=ROOT)
        with killed_at_the_end(process):
            wait_until(lambda: "sign-in?key=" in (tmp_path / "out").read_text(), what="the address")
            found = re.search(r"http://([0-9.]+):(\d+)(/sign-in\?key=\S+)", (tmp_path / "out").read_text())
            assert found is not None
            assert host in ("", found[1])
            browser = Browser(int(found[2]))
            wait_until(partial(is_listening, browser.port), what="the page")
            assert browser.get(found[3], Host=f"{found[1]}:{found[2]}").status == 200
            assert browser.get("/api/status").json["device"] == "demo"
            assert Browser(browser.port).get(found[3]).status == 403
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0


def test_a_gap_in_the_numbers_is_told() -> None:
    out = io.StringIO()
    printout = Printout(out)
    for payload in some_events()[::2]:
        event = parse_event(payload)
        assert event is not None
        printout.event(event)
    printout.summary()
    assert "run from 1 to 5, and 2 are missing." in out.getvalue()


def test_a_terminal_without_ticks_gets_words() -> None:
    raw = io.BytesIO()
    printout = Printout(io.TextIOWrapper(raw, encoding="ascii"))
    event = parse_event(some_events()[1])
    assert event is not None
    printout.event(event)
    assert raw.getvalue().endswith(b"ok without_mask -> with_mask\n")


def test_a_daemon_that_fails_is_told_with_the_end_of_its_log(fake_daemon: Path) -> None:
    with pytest.raises(MaskdError, match=r"status 1(.|\n)*face-detector has been lost"):
        play(fake_daemon, "fail")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_in_order(fake_daemon: Path, stop: signal.Signals) -> None:
    program = (
        "import sys; from pathlib import Path; from edge.commands.demo.demo import run_demo\n"
        f"fake = Path({str(fake_daemon)!r})\n"
        "sys.exit(run_demo(clip=fake.with_name('clip.avi'), daemon=[sys.executable, str(fake), 'wait']))\n"
    )
    temporary = fake_daemon.parent / "temporary"
    temporary.mkdir()
    started = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONIOENCODING": "utf-8"},
    )
    pid_file = fake_daemon.with_name("pid")
    with killed_at_the_end(started) as demo:
        wait_until(lambda: pid_file.exists() and pid_file.read_text(), what="the daemon running")
        demo.send_signal(stop)
        out, err = demo.communicate(timeout=20)
    assert demo.returncode == 0
    assert err == ""
    assert out.endswith("Stopped.\n")
    assert list(temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
