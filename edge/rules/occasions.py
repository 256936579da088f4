"""The occasions of rules: one person, too many people, nobody who complies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from edge.config.day_span import is_within
from edge.config.rules import WEEKDAYS, RuleSettings, WhenSettings
from edge.payloads.statuses import UNKNOWN
from edge.rules.happening import Happening


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule acts."""

    rule: str
    at: float
    """Monotonic seconds."""
    wall_time: float
    """Seconds since 1970."""
    person: Happening | None
    """Whose event it was; of a rule about all, the one that decided it; None: time alone did."""
    people: int | None = None
    """How many are there; None: the rule is about one person."""
    minutes: float | None = None
    """For so long nobody complied; None: the rule is not about that."""


class Occasion:
    """One rule, which remembers what it needs. Call `tick` at `due` or later, and whenever nothing happens."""

    def __init__(self, name: str, rule: RuleSettings) -> None:
        self.name = name
        self.rule = rule
        self._acted_at = -math.inf

    def observe(self, happening: Happening) -> list[Firing]:
        raise NotImplementedError

    def tick(self, now: float, wall_time: float) -> list[Firing]:
        """`now` in monotonic seconds, `wall_time` in seconds since 1970."""
        raise NotImplementedError

    @property
    def due(self) -> float:
        """When time alone may make it act, in monotonic seconds; infinity: it does not."""
        return math.inf

    @property
    def is_active(self) -> bool:
        """Whether its occasion is there right now."""
        raise NotImplementedError

    def may_act(self, now: float, wall_time: float) -> bool:
        pause_s = self.rule.at_most.pause_s
        is_pause = pause_s > 0 and now - self._acted_at < pause_s
        return not is_pause and self.is_awake(wall_time)

    def is_awake(self, wall_time: float) -> bool:
        """Whether it is a time of the day and week at which it acts."""
        quiet = self.rule.at_most.quiet
        clock = datetime.fromtimestamp(wall_time).astimezone()
        return _is_time(self.rule.when, clock) and (quiet is None or not is_within(quiet, clock.time()))

    def acted(self, now: float) -> None:
        self._acted_at = now


def occasion_of(name: str, rule: RuleSettings) -> Occasion:
    if rule.when.people_over is not None:
        return Crowded(name, rule, rule.when.people_over)
    if rule.when.nobody_complied_min is not None:
        return NobodyComplied(name, rule, rule.when.nobody_complied_min)
    return OnePerson(name, rule)


def _is_time(when: WhenSettings, clock: datetime) -> bool:
    is_day = when.weekdays is None or WEEKDAYS[clock.weekday()] in when.weekdays
    return is_day and (when.between is None or is_within(when.between, clock.time()))


def _is_meant(when: WhenSettings, one: Happening) -> bool:
    """Whether camera, zones, status and compliance are those that the rule chooses."""
    is_place = (when.cameras is None or one.camera in when.cameras) and (
        when.zones is None or any(zone in when.zones for zone in one.zones)
    )
    is_status = one.status in when.status if when.status is not None else one.status != UNKNOWN
    return is_place and is_status and when.compliant in (None, one.compliant)


class OnePerson(Occasion):
    """An event of one person, or that it has lasted for a while."""

    def __init__(self, name: str, rule: RuleSettings) -> None:
        super().__init__(name, rule)
        self._waiting: dict[str, tuple[float, Happening]] = {}
        """Tracks that have to stay as they are until then."""
        self._meant: set[str] = set()
        """Tracks that are right now as the rule says, since its dwell time at least."""
        self._done: set[str] = set()
        """Tracks for whom it has acted."""

    def observe(self, happening: Happening) -> list[Firing]:
        when, track = self.rule.when, happening.track
        is_over = happening.type == "ended"
        is_meant = _is_meant(when, happening)
        if is_over or not is_meant:
            self._waiting.pop(track, None)
            self._meant.discard(track)
        firings: list[Firing] = []
        if is_meant and not is_over and when.dwell_s and track not in self._meant:
            if happening.type in when.event or track in self._waiting:
                self._waiting.setdefault(track, (happening.at + when.dwell_s, happening))
        elif is_meant:
            if not is_over:
                self._meant.add(track)
            # Of an `ended`, a dwell time is the whole visit.
            if happening.type in when.event and (not is_over or happening.duration_s >= when.dwell_s):
                firings = self._act(happening, happening.at, happening.wall_time)
        if is_over:
            self._done.discard(track)
        return firings

    def tick(self, now: float, wall_time: float) -> list[Firing]:
        firings = []
        for track, (due, happening) in [*self._waiting.items()]:
            if due <= now:
                del self._waiting[track]
                self._meant.add(track)
                stayed = replace(happening, duration_s=happening.duration_s + due - happening.at)
                firings += self._act(stayed, due, wall_time - (now - due))
        return firings

    @property
    def due(self) -> float:
        return min((due for due, _ in self._waiting.values()), default=math.inf)

    @property
    def is_active(self) -> bool:
        return bool(self._meant)

    def _act(self, happening: Happening, at: float, wall_time: float) -> list[Firing]:
        is_again = self.rule.at_most.once_per_person and happening.track in self._done
        if is_again or not self.may_act(at, wall_time):
            return []
        self._done.add(happening.track)
        self.acted(at)
        return [Firing(self.name, at, wall_time, happening)]


class Crowded(Occasion):
    """More people than allowed are there. It acts once, until there are no more than allowed."""

    def __init__(self, name: str, rule: RuleSettings, most: int) -> None:
        super().__init__(name, rule)
        self._most = most
        self._there: set[str] = set()
        self._has_acted = False

    def observe(self, happening: Happening) -> list[Firing]:
        when = self.rule.when
        # A person counts before it is known how they wear a mask, unless the rule asks for that.
        asks = when.status is not None or when.compliant is not None
        known = happening if asks or happening.status != UNKNOWN else replace(happening, status="")
        if happening.type != "ended" and _is_meant(when, known):
            self._there.add(happening.track)
        else:
            self._there.discard(happening.track)
        if not self.is_active:
            self._has_acted = False
        elif not self._has_acted and self.may_act(happening.at, happening.wall_time):
            self._has_acted = True
            self.acted(happening.at)
            return [Firing(self.name, happening.at, happening.wall_time, happening, people=len(self._there))]
        return []

    def tick(self, _now: float, _wall_time: float) -> list[Firing]:
        return []

    @property
    def is_active(self) -> bool:
        return len(self._there) > self._most


class NobodyComplied(Occasion):
    """People have come for a while, and none of them complied. It acts once, until one complies, or nobody comes for as
    long."""

    def __init__(self, name: str, rule: RuleSettings, minutes: float) -> None:
        super().__init__(name, rule)
        self._minutes = minutes
        self._there: dict[str, bool] = {}
        """Tracks, and whether they comply."""
        self._since: float | None = None
        """When the first came who did not comply, with none after them who did."""
        self._left_at = -math.inf
        """When the last of them left."""
        self._has_acted = False

    def observe(self, happening: Happening) -> list[Firing]:
        before = bool(self._there)
        if happening.type != "ended" and _is_meant(self.rule.when, happening):
            self._forget_if_over(happening.at)
            self._there[happening.track] = happening.compliant
        else:
            self._there.pop(happening.track, None)
        if before and not self._there:
            self._left_at = happening.at
        if any(self._there.values()):
            self._since, self._has_acted = None, False
        elif self._there and self._since is None:
            self._since = happening.at
        return self._act(happening.at, happening.wall_time, happening)

    def tick(self, now: float, wall_time: float) -> list[Firing]:
        self._forget_if_over(now)
        return self._act(now, wall_time, None)

    @property
    def due(self) -> float:
        is_waiting = self._since is not None and not self._has_acted and bool(self._there)
        return self._since + 60 * self._minutes if is_waiting and self._since is not None else math.inf

    @property
    def is_active(self) -> bool:
        return self._has_acted

    def _forget_if_over(self, now: float) -> None:
        if not self._there and now - self._left_at > 60 * self._minutes:
            self._since, self._has_acted = None, False

    def _act(self, at: float, wall_time: float, happening: Happening | None) -> list[Firing]:
        if self._since is None or at < self.due or not self.may_act(at, wall_time):
            return []
        self._has_acted = True
        self.acted(at)
        minutes = round((at - self._since) / 60, 1)
        return [Firing(self.name, at, wall_time, happening, people=len(self._there), minutes=minutes)]
