"""Rules per zone, in scripted scenes: who complies where, who is announced when, and who is not looked at."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from edge.config import ComplianceSettings, Config, TrackingSettings, ZoneSettings
from edge.errors import UsageError
from edge.people.known_statuses import require_known_statuses
from edge.people.observations import Look, ObservedFace
from edge.people.replay_observed import replay_observed
from edge.people.scene import Person
from edge.people.transition import Transition
from edge.people.watched_camera import CameraRules
from edge.vision.thresholds import Thresholds
from tests.support.scripted import FRAME_SIZE, LETTER_OF, STATUS_OF, ScriptedCrowd, rectangle, shown

WARD = rectangle(0.0, 0.5, compliant=["with_mask"])
CANTEEN = rectangle(0.5, 1.0, compliant=["all"])
MASKS = ComplianceSettings(min_votes=1)
LABELS = ["with_mask", "without_mask", "mask_weared_incorrect"]


class Scene:
    """One person, ten pictures a second, who walks between places in fractions of the picture's width."""

    def __init__(self, zones: Mapping[str, ZoneSettings], settings: ComplianceSettings = MASKS) -> None:
        self.scripted = ScriptedCrowd(
            compliance=settings, tracking=TrackingSettings(min_hits=1, lost_after_s=1.0), zones=zones
        )
        self.transitions: list[Transition] = []
        self.people: tuple[Person, ...] = ()
        self._number = 0
        self._x = 0.0

    def stand(self, x: float, seconds: float, letter: str = "n") -> Scene:
        """Walks there, which takes no longer than a tracker can follow, and stays."""
        if self._number:
            while abs(self._x - x) > 0.05:
                self._look(self._x + (0.05 if x > self._x else -0.05), letter)
        for _ in range(round(seconds * 10)):
            self._look(x, letter)
        return self

    def adjust(self, zones: Mapping[str, ZoneSettings]) -> Scene:
        self.scripted.rules = replace(self.scripted.rules, zones=zones)
        self.scripted.crowd.adjust(self.scripted.rules)
        return self

    def leave(self) -> Scene:
        self.transitions += self.scripted.crowd.finish().transitions
        return self

    @property
    def story(self) -> list[str]:
        return [
            f"{each.type} {LETTER_OF[each.status]}{'+' if each.compliant else '-'} {' '.join(each.zones)}".strip()
            for each in self.transitions
        ]

    def _look(self, x: float, letter: str) -> None:
        self._x = x
        seen = self.scripted.look([shown(letter, x=x * FRAME_SIZE[0])], self._number / 10)
        self._number += 1
        self.transitions += seen.transitions
        self.people = seen.people


def test_a_crossing_that_flips_compliance_is_a_changed_to_the_same_status() -> None:
    scene = Scene({"ward": WARD, "canteen": CANTEEN}).stand(0.25, 2).stand(0.75, 2).stand(0.25, 2).leave()
    assert scene.story == [
        "started n- ward",
        "changed n+ canteen",
        "changed n- ward canteen",
        "ended n- ward",
    ], "into the canteen only once the ward is left, back into the ward at once"
    changed = scene.transitions[1]
    assert (changed.previous, changed.status) == ("without_mask", "without_mask")
    assert scene.people[0].compliant is False


def test_where_zones_overlap_every_one_must_agree() -> None:
    strict_corner = rectangle(0.7, 1.0, compliant=["with_mask"])
    scene = Scene({"canteen": CANTEEN, "kitchen": strict_corner}).stand(0.6, 2).stand(0.9, 2).leave()
    assert scene.story == ["started n+ canteen", "changed n- canteen kitchen", "ended n- canteen kitchen"]


def test_a_zone_without_a_rule_holds_the_camera_s() -> None:
    """Overlapping a lenient one it is one of those that must agree."""
    zones = {"hall": rectangle(0.0, 1.0), "canteen": CANTEEN}
    assert Scene(zones).stand(0.75, 1).leave().story[0] == "started n- hall canteen"


def test_outside_of_all_zones_the_camera_s_rule_holds() -> None:
    scene = Scene({"canteen": CANTEEN}).stand(0.25, 1).stand(0.75, 1).stand(0.25, 1).leave()
    assert scene.story == ["started n-", "changed n+ canteen", "changed n-", "ended n-"]
    assert Scene({}).stand(0.5, 1).leave().story == ["started n-", "ended n-"]


def test_a_crossing_that_changes_nothing_is_no_event() -> None:
    assert Scene({"ward": WARD}).stand(0.25, 1, "M").stand(0.75, 1, "M").leave().story == [
        "started M+ ward",
        "ended M+",
    ]


def test_a_person_on_the_border_does_not_flicker() -> None:
    scene = Scene({"ward": WARD, "canteen": CANTEEN}).stand(0.45, 1)
    for _ in range(20):
        scene.stand(0.52, 0.1).stand(0.48, 0.1)
    assert scene.story == ["started n- ward"]


def test_all_means_every_known_status() -> None:
    zones = {"canteen": rectangle(0.0, 1.0, compliant=["all"])}
    assert Scene(zones).stand(0.5, 1, "i").story == ["started i+ canteen"]
    assert Scene(zones).stand(0.5, 12, "?").story == ["started ?- canteen"]


def test_dwell_withholds_started_until_it_has_passed() -> None:
    zones = {"desk": rectangle(0.0, 1.0, dwell_s=3.0)}
    scene = Scene(zones).stand(0.5, 2.9)
    assert scene.story == []
    assert [stay.zone for stay in scene.people[0].zones] == ["desk"]
    scene.stand(0.5, 1)
    assert scene.story == ["started n- desk"]
    assert scene.transitions[0].at == pytest.approx(3.0)
    assert scene.transitions[0].started_at == 0.0
    assert Scene(zones).stand(0.5, 2).leave().story == [], "who leaves before was never there"


def test_who_walks_through_makes_no_event_of_a_zone_with_dwell() -> None:
    zones = {"desk": rectangle(0.4, 0.6, compliant=["all"], dwell_s=3.0)}
    assert Scene(zones).stand(0.3, 1).stand(0.7, 1).leave().story == ["started n-", "ended n-"]
    scene = Scene(zones).stand(0.5, 1).stand(0.8, 1).leave()
    assert scene.story == ["started n-", "ended n-"], "once outside, a person is announced as anyone is"


def test_a_zone_with_dwell_does_not_hide_who_is_in_another_one() -> None:
    zones = {"hall": rectangle(0.0, 1.0), "desk": rectangle(0.0, 1.0, compliant=["without_mask"], dwell_s=2.0)}
    assert Scene(zones).stand(0.5, 3).story == ["started n- hall"]
    lenient = {**zones, "hall": rectangle(0.0, 1.0, compliant=["all"])}
    strict = {**lenient, "desk": rectangle(0.0, 1.0, compliant=["with_mask"], dwell_s=2.0)}
    assert Scene(strict).stand(0.5, 3).story == ["started n+ hall", "changed n- hall desk"]


def test_a_face_in_an_ignored_zone_is_no_one() -> None:
    zones = {"poster": rectangle(0.6, 1.0, ignore=True)}
    assert Scene(zones).stand(0.8, 3).leave().story == []
    scene = Scene(zones).stand(0.3, 1).stand(0.8, 3)
    assert scene.story == ["started n-", "ended n-"], "who walks into it is lost there"
    assert scene.people == ()


def test_rules_change_without_losing_a_person() -> None:
    lenient = {"ward": rectangle(0.0, 1.0, compliant=["all"])}
    scene = Scene({}).stand(0.5, 1).adjust(lenient).stand(0.5, 1)
    scene.adjust({"ward": rectangle(0.0, 1.0, compliant=["with_mask"])}).stand(0.5, 1)
    scene.adjust({}).stand(0.5, 1).leave()
    assert scene.story == ["started n-", "changed n+ ward", "changed n- ward", "ended n-"]
    assert len({each.track for each in scene.transitions}) == 1


def test_a_two_class_model_with_its_own_labels() -> None:
    """A status is whatever the classifier's labels say."""
    config = Config.model_validate(
        {"cameras": {"door": {"source": "demo", "zones": {"a": {"corners": WARD.corners, "compliant": ["helm"]}}}}}
    )
    require_known_statuses(config, ["helm", "no_helm"])
    with pytest.raises(UsageError) as caught:
        require_known_statuses(config, LABELS)
    assert str(caught.value) == (
        'cameras.door.zones.a.compliant: there is no status "helm"; the classifier gives with_mask, without_mask, '
        "mask_weared_incorrect, and [all] means each of them"
    )
    with pytest.raises(UsageError, match='there is no status "helm"; did you mean "helmet"'):
        require_known_statuses(config, ["helmet", "bare"])


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_of_what_was_observed_gives_the_same_events(seed: int) -> None:
    chance = random.Random(seed)
    zones = {
        "ward": WARD,
        "canteen": CANTEEN,
        "desk": rectangle(0.3, 0.7, compliant=["without_mask"], dwell_s=0.7),
        "tv": rectangle(0.9, 1.0, ignore=True),
    }
    scene = Scene(zones)
    places = [chance.uniform(0.05, 0.98) for _ in range(12)]
    looks = []
    number = 0
    for x in places:
        for _ in range(chance.randrange(3, 15)):
            letter = chance.choice("MMMn")
            scene._look(x, letter)
            face = shown(letter, x=x * FRAME_SIZE[0]).face
            chances = tuple(0.9 if label == STATUS_OF[letter] else 0.05 for label in LABELS)
            looks.append(Look(number / 10, FRAME_SIZE, (ObservedFace(1, face.box, face.score, chances),)))
            number += 1
    scene.leave()
    thresholds = Thresholds(min_score=0.5, low_score=0.1, min_face_px=0, max_faces=50, min_confidence=0.5)
    replayed = replay_observed(looks, LABELS, {"door": CameraRules(thresholds, scene.scripted.rules)})["door"]
    assert _compared(replayed.transitions) == _compared(scene.transitions)
    assert any(each.previous == each.status for each in scene.transitions)


def _compared(transitions: Sequence[Transition]) -> list[dict[str, Any]]:
    return [
        {"type": t.type, "status": t.status, "compliant": t.compliant, "zones": t.zones, "at": t.at}
        for t in transitions
    ]
