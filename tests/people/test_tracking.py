"""The tracker, marched frame by frame through scripted scenes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import TrackingSettings
from edge.geometry import Box
from edge.people.assignment import best_pairs
from edge.people.tracking import Track, Tracker
from edge.vision.faces import Face

FACE = 60.0
"""Height of a face in these scenes, in pixels."""


def face_at(x: float, y: float = 200.0, *, size: float = FACE, score: float = 0.9) -> Face:
    return Face(Box(x - size * 0.4, y - size / 2, x + size * 0.4, y + size / 2), score)


def make_tracker(settings: TrackingSettings | None = None) -> Tracker:
    numbers = itertools.count(1)
    return Tracker(settings or TrackingSettings(), min_score=0.5, new_id=lambda: f"t{next(numbers)}")


@dataclass(frozen=True)
class Person:
    """One person of a scene: where the face is at each second, and the times when the detector misses it."""

    position: Callable[[float], tuple[float, float]]
    hidden: tuple[tuple[float, float], ...] = ()
    faint: tuple[tuple[float, float], ...] = ()
    size: float = FACE

    def seen_at(self, t: float, jitter: tuple[float, float]) -> Face | None:
        if any(begin <= t < end for begin, end in self.hidden):
            return None
        x, y = self.position(t)
        score = 0.3 if any(begin <= t < end for begin, end in self.faint) else 0.9
        return face_at(x + jitter[0], y + jitter[1], size=self.size, score=score)


def walk(x: float, speed: float, y: float = 200.0) -> Callable[[float], tuple[float, float]]:
    """From `x` at `speed` pixels per second to the right."""
    return lambda t: (x + speed * t, y)


def stand(x: float, y: float = 200.0) -> Callable[[float], tuple[float, float]]:
    return walk(x, 0.0, y)


@dataclass
class March:
    """What a tracker made of a scene: the ids each person had, the ids there were, the ids that ended."""

    ids_of: dict[str, list[str]] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    ended: list[str] = field(default_factory=list)


def march(people: Mapping[str, Person], *, fps: float, seconds: float, seed: int = 1) -> March:
    tracker, result = make_tracker(), March({name: [] for name in people})
    noise = np.random.default_rng(seed)
    for number in range(round(seconds * fps)):
        # Frames come unevenly, as from a busy computer.
        now = (number + float(noise.uniform(-0.2, 0.2))) / fps
        seen: list[tuple[str, Face]] = []
        for name, person in people.items():
            dx, dy = noise.normal(0, 0.02 * person.size, 2)
            face = person.seen_at(now, (float(dx), float(dy)))
            if face is not None:
                seen.append((name, face))
        seen = [seen[index] for index in noise.permutation(len(seen))]
        update = tracker.update([face for _, face in seen], now + 1000.0)
        for name, face in seen:
            result.ids_of[name] += [track.id for track in update.active if track.seen and track.face is face]
        result.confirmed |= {track.id for track in update.active if track.confirmed}
        result.ended += [track.id for track in update.ended]
    return result


HIDDEN_CROSSING = "two cross, one hidden behind the other"
SCENES: dict[str, dict[str, Person]] = {
    "one stands": {"a": Person(stand(300))},
    "one walks": {"a": Person(walk(0, 200))},
    "two side by side": {"a": Person(stand(300)), "b": Person(stand(360))},
    "two walk side by side": {"a": Person(walk(100, 150)), "b": Person(walk(170, 150))},
    "two cross": {"a": Person(walk(0, 150)), "b": Person(walk(640, -150, y=210))},
    HIDDEN_CROSSING: {
        "a": Person(walk(0, 150)),
        "b": Person(walk(600, -150), hidden=((1.9, 2.15),)),
    },
    "missing for a second": {"a": Person(stand(300), hidden=((1.5, 2.5),))},
    "missing for a second while walking": {"a": Person(walk(0, 120), hidden=((1.5, 2.5),))},
    "both missing for a second": {
        "a": Person(stand(300), hidden=((1.5, 2.5),)),
        "b": Person(stand(370), hidden=((1.6, 2.5),)),
    },
    "faint for two seconds": {"a": Person(walk(50, 60), faint=((1.0, 3.0),))},
    "flicker": {"a": Person(walk(50, 100), hidden=tuple((t / 2, t / 2 + 0.2) for t in range(3, 12)))},
    "coming closer": {"a": Person(lambda t: (300 + 20 * t, 150 + 15 * t), size=40)},
    "turning back": {"a": Person(lambda t: (320 + 150 * math.sin(1.5 * t), 200))},
}


# With fewer frames, whose face is left while the two overlap cannot be told from motion alone.
CASES = [(scene, fps) for scene in SCENES for fps in (4, 8, 15, 30) if scene != HIDDEN_CROSSING or fps >= 15]


@pytest.mark.parametrize(("scene", "fps"), CASES)
def test_everyone_keeps_one_id(scene: str, fps: float) -> None:
    for seed in range(5):
        result = march(SCENES[scene], fps=fps, seconds=4.5, seed=seed)
        ids = {name: set(seen) for name, seen in result.ids_of.items()}
        assert all(len(own) == 1 for own in ids.values()), (seed, ids)
        assert len(set.union(*ids.values())) == len(ids), (seed, ids)
        assert result.confirmed == set.union(*ids.values())


@pytest.mark.parametrize("scene", ["one stands", "one walks", "two side by side", "two walk side by side"])
def test_two_frames_per_second_are_enough(scene: str) -> None:
    for seed in range(5):
        result = march(SCENES[scene], fps=2, seconds=4.0, seed=seed)
        assert [len(set(seen)) for seen in result.ids_of.values()] == [1] * len(SCENES[scene]), seed


def test_a_step_of_everyone_at_once_is_not_a_leap_of_one() -> None:
    """Two people take the same step, nearly as long as the space between them: the best overlap would be wrong."""
    tracker = make_tracker()
    first = tracker.update([face_at(200), face_at(260)], 0.0)
    second = tracker.update([face_at(250), face_at(310)], 0.5)
    assert [track.id for track in second.active] == [track.id for track in first.active]
    assert [track.box.center[0] for track in second.active] == [250, 310]


def march_scores(tracker: Tracker, frames: Sequence[Sequence[Face]], fps: float = 10) -> list[list[Track]]:
    return [list(tracker.update(frame, number / fps).active) for number, frame in enumerate(frames)]


def test_faint_faces_alone_start_nothing() -> None:
    assert march_scores(make_tracker(), [[face_at(100, score=0.3)]] * 5)[-1] == []


def test_a_faint_face_elsewhere_does_not_carry_a_track_away() -> None:
    frames = [[face_at(100)]] * 3 + [[face_at(170, score=0.3)]]
    (track,) = march_scores(make_tracker(), frames)[-1]
    assert not track.seen
    assert track.box.center[0] == 100


def test_the_confident_face_goes_first() -> None:
    """A faint face fits a little better, but the confident one is the person."""
    confident, faint = face_at(105), face_at(100, score=0.3)
    (track,) = march_scores(make_tracker(), [[face_at(100)]] * 3 + [[faint, confident]])[-1]
    assert track.seen
    assert track.face is confident


def test_confirmed_after_min_hits_only() -> None:
    frames = march_scores(make_tracker(TrackingSettings(min_hits=3)), [[face_at(100)], [face_at(100)]])
    assert not frames[-1][0].confirmed
    assert frames[-1][0].hits == 2
    frames = march_scores(make_tracker(TrackingSettings(min_hits=3)), [[face_at(100)]] * 3)
    assert frames[-1][0].confirmed


def test_a_track_ends_once_after_lost_after_s() -> None:
    tracker = make_tracker(TrackingSettings(lost_after_s=2.0))
    for number in range(5):
        tracker.update([face_at(100)], number / 10)
    assert tracker.update([], 2.35).ended == ()
    update = tracker.update([], 2.45)
    assert [track.id for track in update.ended] == ["t1"]
    assert update.ended[0].last_seen == 0.4
    assert update.active == ()
    assert tracker.update([], 2.5).ended == ()


def test_whoever_stands_there_after_a_long_gap_is_somebody_new() -> None:
    tracker = make_tracker(TrackingSettings(lost_after_s=2.0))
    for number in range(5):
        tracker.update([face_at(100)], number / 10)
    update = tracker.update([face_at(100)], 60.0)
    assert [track.id for track in update.ended] == ["t1"]
    assert [track.id for track in update.active] == ["t2"]


def test_false_faces_now_and_then_are_never_confirmed() -> None:
    tracker = make_tracker()
    for number in range(100):
        now = number / 10
        update = tracker.update([face_at(100)] if number % 15 == 0 else [], now)
        assert not any(track.confirmed for track in update.active)


def test_finish_ends_every_track_once() -> None:
    tracker = make_tracker()
    tracker.update([face_at(100), face_at(300)], 0.0)
    update = tracker.finish()
    assert {track.id for track in update.ended} == {"t1", "t2"}
    assert not any(track.seen for track in update.ended)
    assert tracker.finish().ended == ()


def test_two_frames_of_the_same_instant_do_no_harm() -> None:
    tracker = make_tracker()
    tracker.update([face_at(100)], 1.0)
    (track,) = tracker.update([face_at(102)], 1.0).active
    assert track.hits == 2
    assert track.velocity == (0.0, 0.0)


def test_fifty_faces_are_assigned_in_time() -> None:
    tracker = make_tracker()
    for number in range(10):
        update = tracker.update(
            [face_at(40 * i + 3 * number, 100 + 7 * (i % 5), size=30) for i in range(50)], number / 15
        )
    assert len(update.active) == 50
    assert all(track.hits == 10 for track in update.active)


@given(
    st.integers(0, 5).flatmap(
        lambda rows: st.integers(0, 5).flatmap(
            lambda columns: st.lists(
                st.lists(st.floats(-1, 1), min_size=columns, max_size=columns), min_size=rows, max_size=rows
            ).map(lambda values: np.array(values, dtype=np.float64).reshape(rows, columns))
        )
    )
)
def test_best_pairs_is_as_good_as_trying_everything(weights: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    pairs = best_pairs(weights)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(weights[pair] > 0 for pair in pairs)
    gains = np.maximum(weights, 0)
    wide = gains if gains.shape[0] <= gains.shape[1] else gains.T
    best = max(
        sum(wide[row, column] for row, column in enumerate(chosen))
        for chosen in itertools.permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert sum(weights[pair] for pair in pairs) == pytest.approx(best, abs=1e-9)


def test_best_pairs_refuses_what_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="finite"):
        best_pairs(np.array([[np.nan]]))
