"""What the Tune view asks for: what a change would do, and keeping it."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest

from edge.camera.latest import LatestFrame
from edge.camera.video import frames
from edge.config import Config
from edge.demo_clip import CLIP
from edge.people.scene import Scene
from edge.people.watched_camera import WatchedCamera, camera_rules
from edge.system.deadline import Deadline
from edge.vision.build import build_vision
from edge.web.clips import LONGEST_BYTES
from edge.web.replays import FIRST_MS, FIRST_S, paced
from tests.support.waiting import PATIENCE_S, wait_until
from tests.support.web_page import RECOMMENDED, TOKEN, VIEW_PASSWORD, Answer, Client, RunningPage, running_page

TAB, OTHER_TAB = "0123456789abcdef", "fedcba9876543210"
TEXT = """\
# This file has comments.
device: lobby
cameras:
  door:           # the front door
    source: demo
    min_votes: 5  # five are enough
    zones:
      desk: {corners: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}  # where people wait
  gate: {source: demo}
"""
DESK = {"corners": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
HALL = {"corners": [[0, 0], [1, 0], [1, 1], [0, 1]]}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[RunningPage]:
    with running_page(tmp_path, text=TEXT) as running:
        yield running


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """The first half of the demo clip, as the vision thread sees it."""
    config = Config.model_validate({"cameras": {"door": {"source": "demo"}}})
    vision = build_vision(config)
    latest = LatestFrame(threading.Condition())
    camera = WatchedCamera("door", latest, camera_rules(config, "door", vision.recommended))
    seen = []
    for picture in islice(frames(CLIP), 150):
        latest.put(picture)
        seen.append(camera.watch(vision))
    return seen


@pytest.fixture
def watched(page: RunningPage, scenes: list[Scene]) -> RunningPage:
    page.part._device.observations.take(scenes)
    return page


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningPage, Client]]:
    """A page whose settings no test changes, and its signed-in owner."""
    with running_page(tmp_path_factory.mktemp("steady"), text=TEXT) as running:
        yield running, running.signed_in


def machine(page: RunningPage) -> Client:
    return Client(page.port, headers={"Authorization": f"Bearer {TOKEN}"})


def send(client: Client, what: str = "try", /, **fields: Any) -> Answer:
    """`values` as setting and value of the camera door."""
    values = [{"camera": "door", "setting": key, "value": value} for key, value in fields.pop("values", {}).items()]
    message = {"tab": TAB, "camera": "door", "values": values, **fields}
    return client.ask("POST", f"/api/tune/{what}", json.dumps(message).encode())


def verdicts(client: Client, query: str = "seconds=600") -> list[str]:
    answer = client.get(f"/api/tune/replay?tab={TAB}&{query}")
    assert answer.status == 200, answer.text
    return [each["verdict"] for each in answer.json["people"]]


def revision(client: Client) -> str:
    return str(client.get("/api/tune").json["revision"])


def test_how_often_rules_would_have_acted(tmp_path: Path, scenes: list[Scene]) -> None:
    rules = (
        "outputs: {webhook: {chat: {url: 'http://localhost/'}}}\n"
        "rules: {remind: {when: {compliant: false}, do: [chat]}, off: {enabled: false, do: [chat]}}\n"
    )
    with running_page(tmp_path, text=TEXT + rules) as page:
        page.part._device.observations.take(scenes)
        client = machine(page)
        send(client, values={"min_votes": 5})
        assert client.get(f"/api/tune/replay?tab={TAB}").json["rules"] == [{"rule": "remind", "before": 2, "after": 2}]
        send(client, values={"min_votes": 1000})
        assert client.get(f"/api/tune/replay?tab={TAB}").json["rules"] == [{"rule": "remind", "before": 2, "after": 0}]


def test_what_can_be_tuned_comes_from_the_settings_own_metadata(page: RunningPage) -> None:
    state = machine(page).get("/api/tune").json
    votes = next(each for each in state["settings"] if (each["camera"], each["setting"]) == ("door", "min_votes"))
    assert (votes["name"], votes["section"], votes["range"], votes["step"]) == (
        "votes needed",
        "compliance",
        [1, 1000],
        1,
    )
    assert (votes["value"], votes["own"], votes["shared"], votes["kept"]) == (5, 5, 5, "config.yaml")
    assert {each["setting"] for each in state["settings"]}.isdisjoint({"enabled", "privacy"})
    assert list(state["zones"]["door"]) == ["desk"]


def test_a_replay_tells_who_would_be_an_event(watched: RunningPage) -> None:
    client = machine(watched)
    assert send(client).status == 200
    assert set(verdicts(client)) == {"same"}
    assert send(client, values={"min_votes": 30}).status == 200
    assert set(verdicts(client)) <= {"moved", "gone", "changed"}
    assert send(client, values={"min_votes": 1000}).status == 200
    assert set(verdicts(client)) == {"gone"}
    assert send(client, zones={"door": {"hall": HALL}}).status == 200
    assert set(verdicts(client)) == {"changed"}
    assert send(client, zones={"door": {"hall": {**HALL, "ignore": True}}}).status == 200
    assert set(verdicts(client)) == {"gone"}
    assert watched.part._device.changes.config.cameras["door"].model_dump()["min_votes"] == 5


def test_a_try_tells_at_once_what_it_would_do_on_the_newest_picture(watched: RunningPage, scenes: list[Scene]) -> None:
    client = machine(watched)
    seen = {person.track: person.status for person in scenes[-1].people if person.seen}
    alike = send(client).json
    assert {each["track"]: each["status"] for each in alike["people"]} == seen
    assert alike["time"].endswith("Z")
    stricter = send(client, values={"min_votes": 1000}).json
    assert {each["track"]: each["status"] for each in stricter["people"]} == dict.fromkeys(seen)
    assert send(client, camera="gate").json == {"time": None, "people": []}


def test_the_last_seconds_can_be_replayed_first(watched: RunningPage) -> None:
    client = machine(watched)
    send(client, values={"min_votes": 1000})
    answer = client.get(f"/api/tune/replay?tab={TAB}&seconds=first").json
    assert 4 < answer["span_s"] <= FIRST_S[0]
    assert {each["verdict"] for each in answer["people"]} == {"gone"}


def test_how_many_seconds_come_first_follows_the_pace_of_the_device() -> None:
    quick_ms, slow_ms = FIRST_MS
    assert paced(10.0, (quick_ms + slow_ms) / 2) == 10.0
    assert (paced(10.0, quick_ms / 2), paced(10.0, slow_ms * 2)) == (20.0, 5.0)
    assert (paced(60.0, 0.0), paced(5.0, 1000.0)) == (60.0, 5.0)


def test_how_people_are_followed_can_be_tuned_though_no_command_changes_it(watched: RunningPage) -> None:
    client = watched.signed_in
    assert send(client, values={"min_hits": 1000}).status == 200
    assert set(verdicts(client)) == {"gone"}
    assert client.ask("POST", "/api/settings/door/min_hits", b"4").status == 404
    answer = send(client, "save", values={"min_hits": 4, "window_s": 5}, keep="file", revision=revision(client))
    assert answer.status == 200
    text = (watched.folder / "config.yaml").read_text()
    assert ("min_hits: 4" in text, "window_s: 5" in text) == (True, True)
    assert camera_rules(watched.part._device.changes.config, "door", RECOMMENDED).people.tracking.min_hits == 4


def test_a_replay_that_is_under_way_delays_no_stop(
    watched: RunningPage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = machine(watched)
    assert send(client).status == 200
    monkeypatch.setattr("edge.web.replays.REST_S", PATIENCE_S)
    replays = watched.part._tune._replays  # type: ignore[union-attr]
    with ThreadPoolExecutor(2) as browsers:
        answers = [browsers.submit(client.get, f"/api/tune/replay?tab={TAB}") for _ in range(2)]
        wait_until(lambda: replays._waiting == 2, what="the replays")
        watched.part.stop(Deadline(PATIENCE_S))
        assert [answer.result().json for answer in answers] == [{"superseded": True}] * 2
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_those_who_look_on_may_try_and_not_save(watched: RunningPage) -> None:
    """Someone who looks on may try settings and zones in the Tune view, and save none."""
    client = watched.client
    client.sign_in(VIEW_PASSWORD)
    before = (watched.folder / "config.yaml").read_bytes()
    for each in (client, machine(watched)):
        assert send(each, values={"min_votes": 1000}).status == 200
        assert set(verdicts(each)) == {"gone"}
        for keep in ("file", "run"):
            assert send(each, "save", values={"min_votes": 9}, keep=keep, revision=revision(each)).status == 403
        assert each.ask("POST", "/api/tune/revert").status == 403
    assert (watched.folder / "config.yaml").read_bytes() == before
    assert watched.part._device.changes.config.cameras["door"].model_dump()["min_votes"] == 5


def test_aggregate_replays_nothing(watched: RunningPage) -> None:
    """In `aggregate`, the Tune view replays nothing, neither what was observed nor a clip."""
    client = machine(watched)
    assert send(client).status == 200
    changes = watched.part._device.changes
    watched.apply(changes.config.model_copy(update={"privacy": "aggregate"}))
    for path in (f"/api/tune/replay?tab={TAB}", f"/api/tune/replay?tab={TAB}&clip=visit.mp4", "/api/tune/clips"):
        assert client.get(path).status == 403
    answer = send(client)
    assert (answer.status, "privacy is aggregate" in answer.json["error"]) == (422, True)


def test_a_save_leaves_the_comments_alone(page: RunningPage) -> None:
    client = page.signed_in
    zones = {"door": {"counter": {**DESK, "dwell_s": 2.5}}}
    answer = send(
        client, "save", values={"min_votes": 7}, zones=zones, renamed={"door": {"desk": "counter"}}, keep="file",
        revision=revision(client),
    )  # fmt: skip
    assert (answer.status, answer.json["kept"]) == (200, f"In effect and written to {page.folder}/config.yaml.")
    text = (page.folder / "config.yaml").read_text()
    expected = TEXT.replace("min_votes: 5 ", "min_votes: 7 ").replace("desk: {", "counter: {")
    expected = expected.replace("[0, 1]]}  #", "[0, 1]], dwell_s: 2.5}  #")
    assert text.partition("storage:")[0] == expected
    assert page.part._device.changes.config.cameras["door"].zones["counter"].dwell_s == 2.5


def test_a_file_that_cannot_be_written_is_told_and_the_value_kept_next_to_it(page: RunningPage) -> None:
    client, file = page.signed_in, page.folder / "config.yaml"
    file.write_text(file.read_text().replace("min_votes: 5", "min_votes: five"))
    answer = send(client, "save", values={"min_votes": 7}, keep="file", revision=revision(client))
    assert answer.status == 200
    assert answer.json["kept"].startswith(
        "In effect and kept in overrides.json, also after a restart. Not in config.yaml:"
    )
    votes = next(each for each in answer.json["settings"] if each["setting"] == "min_votes")
    assert (votes["value"], votes["kept"]) == (7, "overrides.json")
    assert '"min_votes"' in (page.folder / "overrides.json").read_text()


def test_what_holds_for_this_run_is_in_memory_alone(page: RunningPage) -> None:
    """What is tried for this run alone is in memory only, ends with it, and can neither relax `aggregate` nor switch a
    camera on."""
    client, changes = page.signed_in, page.part._device.changes
    before = (page.folder / "config.yaml").read_bytes()
    answer = send(client, "save", values={"min_votes": 7}, zones={"door": {}}, keep="run", revision=revision(client))
    assert "this run only" in answer.json["kept"]
    assert (changes.config.cameras["door"].model_dump()["min_votes"], changes.config.cameras["door"].zones) == (7, {})
    changes.keep(1e9)
    assert (page.folder / "config.yaml").read_bytes() == before
    assert not (page.folder / "overrides.json").exists()
    changes.reload()
    assert changes.config.cameras["door"].model_dump()["min_votes"] == 7, "a reload of the file is no restart"
    assert client.ask("POST", "/api/tune/revert").status == 200
    assert changes.config.cameras["door"].model_dump()["min_votes"] == 5
    assert list(changes.config.cameras["door"].zones) == ["desk"]
    for setting in ("enabled", "privacy", "source"):
        values = {setting: True}
        assert send(client, "save", values=values, keep="run", revision=revision(client)).status == 422


def test_two_who_tune_at_once_do_not_overwrite_each_other(page: RunningPage) -> None:
    one = other = page.signed_in
    both_saw = revision(one)
    assert send(one, "save", values={"min_votes": 7}, keep="file", revision=both_saw).status == 200
    answer = send(other, "save", values={"min_votes": 9, "hold_s": 2}, keep="file", revision=both_saw)
    assert answer.status == 409
    [change] = answer.json["changes"]
    assert (change["camera"], change["setting"], change["was"], change["now"]) == ("door", "min_votes", 5, 7)
    assert change["by"] == "the page, owner from 127.0.0.1"
    assert page.part._device.changes.config.cameras["door"].model_dump()["min_votes"] == 7
    again = send(other, "save", values={"hold_s": 2}, keep="file", revision=answer.json["revision"])
    assert again.status == 200
    one.ask("POST", "/api/settings/door/min_votes", b"3")
    late = send(other, "save", values={"min_votes": 9}, keep="file", revision=again.json["revision"])
    assert [(each["was"], each["now"]) for each in late.json["changes"]] == [(7, 3)]
    assert send(other, "save", values={"min_votes": 9}, keep="file").status == 409, "without a revision"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"values": {"min_votes": 0}}, "min_votes"),
        ({"values": {"enabled": False}}, "cannot be tuned"),
        ({"zones": {"door": {"z": {"corners": [[0, 0], [1, 1], [1, 0], [0, 1]]}}}}, "the outline crosses itself"),
        ({"zones": {"door": {"z": {"corners": [[0, 0]] * 101}}}}, "at most 100 corners"),
        ({"zones": {"attic": {}}}, "there is no camera attic"),
        ({"camera": "attic"}, "there is no camera attic any more"),
        ({"tab": "x"}, "not a proposal"),
        ({"zones": {"door": {str(n): DESK for n in range(51)}}}, "not a proposal"),
    ],
)
def test_what_is_proposed_wrongly_is_refused_in_words(
    steady: tuple[RunningPage, Client], fields: dict[str, Any], told: str
) -> None:
    _, client = steady
    for what in ("try", "save"):
        answer = send(client, what, keep="file", revision=revision(client), **fields)
        assert answer.status == 422
        assert told in answer.json["error"]


def test_a_proposal_that_is_too_large_is_not_read(steady: tuple[RunningPage, Client]) -> None:
    assert "larger than" in steady[1].ask("POST", "/api/tune/try", b"x" * 70_000).json["error"]


def cut(clip: Path, to: Path, seconds: float) -> None:
    with av.open(str(clip)) as whole, av.open(str(to), "w") as part:
        source = whole.streams.video[0]
        stream = part.add_stream_from_template(source)
        for packet in whole.demux(source):
            if packet.pts is not None and float(packet.pts * source.time_base) <= seconds:
                packet.stream = stream
                part.mux(packet)


def test_a_clip_in_the_devices_folder_is_replayed(page: RunningPage, tmp_path: Path) -> None:
    client, folder = machine(page), tmp_path / "clips"
    folder.mkdir()
    cut(CLIP, folder / "visit.mp4", seconds=5)
    assert send(client, values={"min_votes": 1000}).status == 200
    assert client.get("/api/tune/clips").json["clips"] == ["visit.mp4"]
    assert set(verdicts(client, "clip=visit.mp4")) == {"gone"}
    assert send(client).status == 200
    assert set(verdicts(client, "clip=visit.mp4")) == {"same"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../storage/visit.mp4", "rename it"),
        ("missing.mp4", "there is no such clip"),
        ("link.mp4", "not a plain file"),
        ("notes.txt", "not a video by its name"),
        ("huge.mp4", "more than 500 MB"),
        ("broken.mp4", "no picture can be read"),
    ],
)
def test_a_clip_that_is_refused_is_told_why(steady: tuple[RunningPage, Client], name: str, told: str) -> None:
    """No other file than a video in the clips folder is read for a replay, and no link is followed out of it."""
    page, client = steady
    folder = page.folder / "clips"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "link.mp4").symlink_to(CLIP)
    (folder / "notes.txt").write_text("no video")
    (folder / "broken.mp4").write_bytes(b"no video")
    with (folder / "huge.mp4").open("wb") as file:
        file.truncate(LONGEST_BYTES + 1)
    send(client)
    answer = client.get(f"/api/tune/replay?tab={TAB}&clip={name}")
    assert (answer.status, told in answer.json["error"]) == (422, True), answer.text
    assert client.get("/api/tune/clips").json["clips"] == ["broken.mp4"]
