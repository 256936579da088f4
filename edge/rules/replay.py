"""When rules would have acted on what a replay shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.config.rules import RuleSettings
from edge.people.transition import Transition
from edge.rules.engine import RuleEngine
from edge.rules.happening import from_transition
from edge.rules.occasions import Firing


def firings(
    rules: Mapping[str, RuleSettings], transitions: Sequence[Transition], *, wall_offset: float, lost_after_s: float
) -> dict[str, list[Firing]]:
    """Of each rule that is enabled, in order. `transitions`: in the order in which they were noticed, the end of a
    visit `lost_after_s` after the person was last seen. `wall_offset`: seconds from their times to those since 1970."""
    engine = RuleEngine(rules)
    acted: list[Firing] = []
    for one in transitions:
        noticed_at = one.at + lost_after_s if one.type == "ended" else one.at
        acted += engine.tick(noticed_at, noticed_at + wall_offset)
        acted += engine.observe(from_transition(one, one.at + wall_offset))
    enabled = [name for name, rule in rules.items() if rule.enabled]
    return {name: [firing for firing in acted if firing.rule == name] for name in enabled}
