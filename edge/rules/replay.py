"""When rules would have acted on what a replay shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.config.rules import RuleSettings
from edge.people.transition import Transition
from edge.rules.engine import RuleEngine
from edge.rules.happening import from_transition
from edge.rules.occasions import Firing


def firings(
    rules: Mapping[str, RuleSettings], transitions: Sequence[Transition], wall_offset: float
) -> dict[str, list[Firing]]:
    """Of each rule that is enabled, in order. `wall_offset`: seconds from the times of the transitions to seconds since
    1970. With the last of them the time ends."""
    engine = RuleEngine(rules)
    acted: dict[str, list[Firing]] = {name: [] for name, rule in rules.items() if rule.enabled}
    for one in sorted(transitions, key=lambda each: each.at):
        for firing in engine.observe(from_transition(one, one.at + wall_offset)):
            acted[firing.rule].append(firing)
    return acted
