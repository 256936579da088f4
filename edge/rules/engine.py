"""All rules together: what is to be done when something happens, or as time passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge.config.rules import RuleSettings
from edge.rules.happening import Happening
from edge.rules.occasions import Firing, occasion_of


class RuleEngine:
    """Pure logic that takes the time. Not from two threads at once."""

    def __init__(self, rules: Mapping[str, RuleSettings], there: Iterable[Happening] = ()) -> None:
        """`there`: the latest of each person who is there already, for whom no rule acts any more."""
        self._occasions = [occasion_of(name, rule) for name, rule in rules.items() if rule.enabled]
        self._there: dict[str, Happening] = {}
        for happening in there:
            self.observe(happening)

    def observe(self, happening: Happening) -> list[Firing]:
        """In the order of the rules. What time alone has made due until then comes first."""
        firings = self.tick(happening.at, happening.wall_time)
        if happening.type == "ended":
            self._there.pop(happening.track, None)
        else:
            self._there[happening.track] = happening
        return firings + [firing for one in self._occasions for firing in one.observe(happening)]

    def tick(self, now: float, wall_time: float) -> list[Firing]:
        """`now` in monotonic seconds, `wall_time` in seconds since 1970."""
        return [firing for one in self._occasions if one.due <= now for firing in one.tick(now, wall_time)]

    @property
    def due(self) -> float:
        """When tick() has something to do, in monotonic seconds; infinity: not before something happens."""
        return min((one.due for one in self._occasions), default=float("inf"))

    def active(self, wall_time: float) -> frozenset[str]:
        """Rules whose occasion is there at this time, in seconds since 1970, in a part of the day in which they act."""
        return frozenset(one.name for one in self._occasions if one.is_active and one.is_awake(wall_time))

    @property
    def there(self) -> list[Happening]:
        """The latest of each person who is there."""
        return list(self._there.values())
