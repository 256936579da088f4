"""Other rules next to the live run."""

from __future__ import annotations

import threading
from itertools import islice

from edge.camera.latest import LatestFrame
from edge.camera.video import frames
from edge.config import Config
from edge.demo_clip import CLIP
from edge.people.observations import Observations
from edge.people.shadow import Shadow
from edge.people.watched_camera import CameraRules, WatchedCamera, camera_rules
from edge.vision.build import build_vision

CONFIG = Config.model_validate({"cameras": {"door": {"source": "demo"}}, "classifier": {"recheck_s": 0}})


def test_a_shadow_follows_the_live_run_and_differs_where_its_rules_do() -> None:
    vision = build_vision(CONFIG)

    def rules(**own: float) -> CameraRules:
        camera = {"source": "demo", **own}
        return camera_rules(
            Config.model_validate({**CONFIG.model_dump(), "cameras": {"door": camera}}), "door", vision.recommended
        )

    latest = LatestFrame(threading.Condition())
    camera = WatchedCamera("door", latest, rules())
    observations = Observations(vision.classifier.labels)
    alike = Shadow(observations, vision.classifier.labels, rules())
    stricter = Shadow(observations, vision.classifier.labels, rules(min_votes=1000))
    live: set[str | None] = set()
    statuses: set[str | None] = set()
    for number, picture in enumerate(islice(frames(CLIP), 150)):  # after 96, someone has left
        latest.put(picture)
        scene = camera.watch(vision)
        observations.add(scene)
        if number % 3:  # not every picture is shown
            continue
        seen = {person.track: person.status for person in scene.people if person.seen}
        assert {person.track: person.status for person in alike.people()} == seen
        if number % 30 == 0:
            late = Shadow(observations, vision.classifier.labels, rules())
            assert {person.track: person.status for person in late.people()} == seen
        live |= set(seen.values())
        statuses |= {person.status for person in stricter.people()}
    assert "with_mask" in live
    assert statuses == {None}
