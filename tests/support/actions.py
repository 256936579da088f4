"""Actions that rules hand to outputs."""

from __future__ import annotations

from uuid import UUID

from edge.payloads.action import Action
from edge.rules.actions import action_of
from edge.rules.happening import from_transition
from edge.rules.occasions import Firing
from tests.support.transitions import transition


def action(number: int = 1, *, recovered: bool = False, status: str = "without_mask") -> Action:
    """Of a person who came to the door."""
    happening = from_transition(transition(track=f"t{number}", status=status), 1_790_000_000.0, UUID(int=number))
    made = action_of(Firing("remind", 0.0, 1_790_000_000.0, happening), "chat", 'lobby "1"')
    return made.model_copy(update={"recovered": recovered})
