"""Pictures of events: made of the right picture, with no face in it, within bounds, and never in the events' way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import cv2
import numpy as np
import pytest

from edge.camera.frame import DamagedPictureError, Frame
from edge.config import Config
from edge.demo_clip import CLIP
from edge.geometry import Box
from edge.payloads.events import draft_events
from edge.payloads.uuid7 import uuid7
from edge.people.scene import Scene
from edge.people.transition import Transition
from edge.store.snapshot_folder import SnapshotFolder
from edge.store.snapshot_picture import snapshot
from edge.store.snapshots import MOST_ENCODED, MOST_SCENES, Snapshot, Snapshots
from edge.system.deadline import Deadline
from edge.vision.build import build_vision
from edge.vision.pipeline import Vision
from edge.vision.preprocess import Image
from edge.vision.thresholds import camera_thresholds
from tests.support.disks import small_disk
from tests.support.transitions import MODELS, TOPICS, transition
from tests.support.waiting import wait_until
from tests.web.test_live import FACE, a_person, a_scene, pattern

DAY_MS = 86_400_000


def a_config(folder: Path, privacy: str = "events", **snapshots: Any) -> Config:
    return Config.model_validate(
        {
            "device": "lobby",
            "privacy": privacy,
            "storage": {"path": str(folder)},
            "snapshots": {"enabled": True, **snapshots},
        }
    )


class Running:
    """The part, and what the daemon does with it."""

    def __init__(self, folder: Path, *, least_free_bytes: int = 0, **snapshots: Any) -> None:
        self.made: list[Snapshot] = []
        self.folder = folder / "snapshots"
        self.failures: list[BaseException] = []
        self.part = Snapshots(
            a_config(folder, **snapshots),
            on_made=[self.made.append],
            on_failure=self.failures.append,
            folder=SnapshotFolder(folder, least_free_bytes=least_free_bytes),
        )

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.folder.glob("*")}

    def happens(self, step: Transition | None = None, image: Image | None = None) -> UUID:
        """Vision hands on a scene, and the event is committed."""
        step = step or transition(track=os.urandom(4).hex())
        self.part.take([a_scene(image=image, transitions=(step,))])
        return self.committed(step)

    def committed(self, step: Transition) -> UUID:
        [draft] = draft_events([step], TOPICS, MODELS)
        self.part.published([draft])
        return draft.id


@pytest.fixture
def snapshots(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    running.part.start()
    yield running
    running.part.stop(Deadline(5))
    assert running.failures == []


def an_id(milliseconds: int) -> UUID:
    """Of that time, in whatever order they are made."""
    return UUID(int=uuid7(1).int & ((1 << 80) - 1) | (milliseconds << 80))


def decoded(jpeg: bytes) -> Image:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[:, :, ::-1], np.uint8)


def likeness(one: Image, other: Image) -> float:
    """How much their fine detail agrees, up to 1: what tells faces apart."""
    fine = [cv2.Laplacian(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), cv2.CV_32F).ravel() for each in (one, other)]
    return float(np.corrcoef(fine[0], fine[1])[0, 1]) if min(np.std(each) for each in fine) > 0 else 0.0


def test_each_started_and_changed_has_a_picture_under_the_id_of_its_event(snapshots: Running) -> None:
    ids = [snapshots.happens(transition("started", at=103.0)), snapshots.happens(transition("changed", at=104.0))]
    snapshots.happens(transition("ended", at=105.0))
    last = snapshots.happens()
    wait_until(lambda: len(snapshots.made) == 3, what="the snapshots")
    assert snapshots.names == {f"{event}.jpg" for event in (*ids, last)}
    path = snapshots.folder / f"{ids[0]}.jpg"
    assert path.stat().st_mode & 0o777 == 0o640
    assert snapshots.folder.stat().st_mode & 0o007 == 0
    assert decoded(path.read_bytes()).shape == (360, 640, 3)


def test_the_picture_is_the_one_of_its_event(snapshots: Running) -> None:
    """However late the event is on the disk, and whatever came meanwhile."""
    grey = [np.full((90, 160, 3), value, np.uint8) for value in (40, 120, 200)]
    steps = [transition(track=f"t{index}", at=110.0 + index) for index in range(3)]
    for image, step in zip(grey, steps, strict=True):
        snapshots.part.take([a_scene(image=image, transitions=(step,), people=(), faces=())])
    ids = [snapshots.committed(step) for step in reversed(steps)][::-1]
    wait_until(lambda: len(snapshots.made) == 3, what="the snapshots")
    corners = [int(decoded((snapshots.folder / f"{event}.jpg").read_bytes())[5, 5, 0]) for event in ids]
    assert corners == pytest.approx([40, 120, 200], abs=3)


def test_an_event_that_is_never_published_has_no_snapshot(snapshots: Running) -> None:
    snapshots.part.take([a_scene(transitions=(transition(track="silent"),))])
    snapshots.happens()
    wait_until(lambda: snapshots.made, what="the other one")
    assert len(snapshots.names) == 1
    for _ in range(3):
        for number in range(MOST_ENCODED):
            snapshots.part.take([a_scene(image=np.zeros((2, 2, 3), np.uint8), transitions=(transition(at=number),))])
            wait_until(lambda: not snapshots.part._scenes, what="the encoder")
    assert len(snapshots.part._encoded) <= MOST_ENCODED


@pytest.fixture(scope="module")
def vision() -> Vision:
    return build_vision(Config.model_validate({}), lambda _: None)


@pytest.fixture(scope="module")
def clip_pictures() -> list[Image]:
    video, found = cv2.VideoCapture(str(CLIP)), []
    while (read := video.read())[0]:
        found.append(np.ascontiguousarray(read[1][:, :, ::-1], dtype=np.uint8))
    return found[24::48]


@pytest.mark.parametrize("faces", ["pixelated", "silhouettes"])
def test_no_face_is_recognisable(vision: Vision, clip_pictures: list[Image], faces: Any) -> None:
    """In a snapshot, every face that the detector finds, faint ones and people missed for a moment too, is
    unrecognisable."""
    thresholds = camera_thresholds(Config.model_validate({}), "camera", vision.recommended)
    elsewhere = replace(transition(), box=Box(0, 0, 0.01, 0.01))
    judged = 0
    for image in clip_pictures:
        original = np.asarray(cv2.resize(image, (480, 360), interpolation=cv2.INTER_AREA), np.uint8)
        for face in vision.detect(image, thresholds):
            if face.score < 0.5:
                continue
            # Found by the detector, faint; or followed, and missed by it in this picture, a third of a face away.
            missed = a_person(box=face.box.moved(face.box.width / 3, 0), seen=False, status=None)
            faint = replace(face, score=0.01)
            for people, found, hides in (((), (faint,), True), ((missed,), (), True), ((), (), False)):
                scene = Scene("door", Frame(image, 1.0, 1), people, (), faces=found)
                picture = decoded(snapshot(scene, elsewhere, faces))
                own = face.box.clipped(*image.shape[1::-1]).scaled(360 / image.shape[0], 360 / image.shape[0])
                area = np.s_[int(own.y1) : int(own.y2), int(own.x1) : int(own.x2)]
                seen = likeness(original[area], picture[area])
                assert seen < 0.25 if hides or faces == "silhouettes" else seen > 0.8
                judged += 1
    assert judged >= 6


def test_silhouettes_show_nothing_of_a_face_that_the_detector_missed() -> None:
    """With `faces: silhouettes`, a face that the detector missed is unrecognisable as well."""
    scene = Scene("door", Frame(pattern(), 1.0, 1), (), ())
    elsewhere = replace(transition(), box=Box(0, 0, 0.01, 0.01))
    kept, coarse = (decoded(snapshot(scene, elsewhere, faces)) for faces in ("pixelated", "silhouettes"))
    face = FACE.scaled(0.5, 0.5)
    area = np.s_[int(face.y1) : int(face.y2), int(face.x1) : int(face.x2)]
    assert np.std(kept[area]) > 50
    assert np.std(coarse[area]) < 5


def test_a_full_disk_costs_no_event_and_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        running = Running(tmp_path / "disk", least_free_bytes=-(10**9))
        running.part.start()
        try:
            running.happens()
            wait_until(lambda: len(running.made) == 1, what="a snapshot")
            with disk.full():
                running.happens()
                wait_until(lambda: len(running.made) == 2, what="one that the disk refuses")
                assert not running.made[1].is_kept
                [problem] = running.part.status().problems
                assert "No space left on device; events are not affected" in problem
                assert len(running.names) == 1, "nothing is left of it"
            running.happens()
            wait_until(lambda: len(running.made) == 3, what="another one")
            assert running.part.status().problems == []
        finally:
            running.part.stop(Deadline(5))


def test_the_last_free_bytes_are_left_to_the_events(tmp_path: Path) -> None:
    running = Running(tmp_path, least_free_bytes=10**15)
    running.part.start()
    running.happens()
    wait_until(lambda: running.made, what="the attempt")
    [problem] = running.part.status().problems
    assert "is free, which events need" in problem
    running.part.stop(Deadline(5))


def test_a_disk_that_hangs_keeps_neither_vision_nor_events_waiting(
    snapshots: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs, or an encoder that fails, delays and loses no event: snapshots are dropped instead."""
    goes_on = threading.Event()
    keep = SnapshotFolder.keep
    monkeypatch.setattr(SnapshotFolder, "keep", lambda *each, **more: goes_on.wait() and keep(*each, **more))
    for _ in range(20):
        snapshots.happens()  # would hang here
    wait_until(lambda: snapshots.part.dropped >= 20 - MOST_SCENES - 20 // 2, what="dropped ones")
    assert len(snapshots.part._scenes) <= MOST_SCENES
    assert "some snapshots were dropped lately" in snapshots.part.status().problems[0]
    goes_on.set()
    wait_until(lambda: len(snapshots.made) + snapshots.part.dropped >= 20, what="the others")


def test_an_encoder_that_fails_is_a_problem_and_no_more(snapshots: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise cv2.error("no such colour")

    def damaged() -> Image:
        raise DamagedPictureError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr("edge.store.snapshots.snapshot", fails)
        snapshots.happens()
        wait_until(lambda: snapshots.part.status().problems, what="the problem")
        assert "events are not affected" in snapshots.part.status().problems[0]
    step = transition(track="damaged")
    snapshots.part.take([a_scene(transitions=(step,), frame=Frame(damaged, 1.0, 1))])
    snapshots.committed(step)
    snapshots.happens()
    wait_until(lambda: snapshots.made, what="the next one")
    assert snapshots.part.status().problems == []


@pytest.mark.parametrize("change", [{"privacy": "aggregate"}, {"enabled": False}])
def test_a_switch_deletes_all_of_them_before_it_is_in_effect(snapshots: Running, change: dict[str, Any]) -> None:
    """Switching to `aggregate`, or switching snapshots off, deletes every snapshot before the switch is answered."""
    for _ in range(5):
        snapshots.happens()
    wait_until(lambda: len(snapshots.made) == 5, what="the snapshots")
    (snapshots.folder / f"{uuid7(1)}.jpg.new").touch()
    snapshots.part.take([a_scene(transitions=(waiting := transition(track="late"),))])
    storage = snapshots.folder.parent
    snapshots.part.apply(a_config(storage, **change))
    assert not snapshots.folder.exists()
    snapshots.committed(waiting)
    snapshots.happens()
    snapshots.part.apply(a_config(storage))
    snapshots.committed(waiting)
    new = snapshots.happens()
    wait_until(lambda: len(snapshots.made) == 6, what="one of the new time")
    assert snapshots.names == {f"{new}.jpg"}


def test_what_is_encoded_during_the_switch_is_thrown_away(snapshots: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    may_end = [threading.Event() for _ in range(2)]

    def slowly(*each: Any) -> bytes:
        begun.append(len(begun))
        if begun[-1] < len(may_end):
            may_end[begun[-1]].wait()
        return snapshot(*each)

    monkeypatch.setattr("edge.store.snapshots.snapshot", slowly)
    snapshots.part.take([a_scene(transitions=(transition(track="first"),))])
    wait_until(lambda: begun, what="the first one")
    snapshots.happens()  # so that the thread takes picture and event together
    may_end[0].set()
    wait_until(lambda: len(begun) == 2, what="the second one")
    storage = snapshots.folder.parent
    snapshots.part.apply(a_config(storage, "aggregate"))
    snapshots.part.apply(a_config(storage))
    may_end[1].set()
    new = snapshots.happens()
    wait_until(lambda: new in [each.event for each in snapshots.made], what="one of the new time")
    assert [each.event for each in snapshots.made] == [new]
    assert snapshots.names == {f"{new}.jpg"}


def test_what_cannot_be_deleted_is_named_until_it_is(snapshots: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.happens()
    wait_until(lambda: snapshots.made, what="a snapshot")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
        patched.setattr("edge.store.snapshots.RETRY_S", 0.01)
        snapshots.part.apply(a_config(snapshots.folder.parent, "aggregate"))
        [problem] = snapshots.part.status().problems
        assert "cannot be emptied: Read-only file system; delete it by hand" in problem
    wait_until(lambda: not snapshots.folder.exists(), what="the next attempt")
    wait_until(lambda: snapshots.part.status().problems == [], what="the end of the problem")


def test_a_start_deletes_what_is_not_allowed_any_more(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    (folder / f"{uuid7(1)}.jpg").write_bytes(b"\xff\xd8")
    (folder / "of-the-owner.txt").touch()
    running = Running(tmp_path, enabled=False)
    running.part.apply(a_config(tmp_path, enabled=False))
    assert len(running.names) == 2, "another maskd may have the folder until the store has taken it"
    running.part.start()
    assert running.names == {"of-the-owner.txt"}
    running.part.stop(Deadline(5))


def test_what_a_power_cut_left_is_no_snapshot(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path, least_free_bytes=0)
    whole, torn, empty = uuid7(1000), uuid7(2000), uuid7(3000)
    folder.keep(whole, b"\xff\xd8picture\xff\xd9", keep_bytes=10**6)
    folder.keep(torn, b"\xff\xd8pict", keep_bytes=10**6)
    (folder.path / f"{empty}.jpg").touch()
    (folder.path / f"{empty}.jpg.new").write_bytes(b"half")
    (folder.path / f"{uuid7(4000)}.jpg").mkdir()
    again = SnapshotFolder(tmp_path)
    again.open()
    assert again.read(whole) == b"\xff\xd8picture\xff\xd9"
    assert again.read(torn) is None
    assert again.read(uuid7(5000)) is None
    assert again.usage()[0] == 2
    assert not again.has(empty)
    (folder.path / f"{(link := uuid7(6000))}.jpg").symlink_to("/etc/passwd")
    assert again.read(link) is None


def test_the_oldest_are_deleted_past_the_limits(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path, least_free_bytes=0)
    ids = [an_id((1000 + day) * DAY_MS) for day in range(10)]
    for event in ids:
        folder.keep(event, b"x" * 100, keep_bytes=500)
    again = SnapshotFolder(tmp_path)
    again.open()
    assert {path.stem for path in again.path.iterdir()} == {str(event) for event in ids[5:]}
    again.delete_before(1007 * 86_400)
    assert {path.stem for path in again.path.iterdir()} == {str(event) for event in ids[7:]}
    again.shrink(100)
    assert [path.stem for path in again.path.iterdir()] == [str(ids[9])]


def test_old_ones_are_deleted_at_a_start_unless_the_clock_may_be_wrong(tmp_path: Path) -> None:
    folder, now = SnapshotFolder(tmp_path, least_free_bytes=0), round(time.time() * 1000)
    old, young = an_id(now - 8 * DAY_MS), an_id(now - DAY_MS)
    folder.keep(old, b"\xff\xd8\xff\xd9", keep_bytes=10**6)
    for more in ((), (young,)):
        for event in more:
            folder.keep(event, b"\xff\xd8\xff\xd9", keep_bytes=10**6)
        running = Running(tmp_path)
        running.part.start()
        wait_until(lambda part=running.part: part._next_tidy_at > 0, what="the look")  # type: ignore[misc]
        running.part.stop(Deadline(5))
        assert running.names == {f"{event}.jpg" for event in (more or (old,))}
