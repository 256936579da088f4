"""Jinja templates with which Home Assistant reads what this device publishes. They are short: the broker keeps them.

`value` is the message as text. Where a retained message is cleared while Home Assistant listens, it is empty, and then
`value_json` does not exist. Home Assistant logs a warning where a template uses what does not exist.
"""

from __future__ import annotations


def template(expression: str) -> str:
    return f"{{{{{expression}}}}}"


def switch(condition: str) -> str:
    return template(f"'ON'if {condition} else'OFF'")


def if_any(expression: str) -> str:
    """None, which Home Assistant shows as unknown, of an empty message."""
    return template(f"{expression} if value else none")


def attributes(**expressions: str) -> str:
    """A JSON object of these expressions by their names."""
    pairs = ",".join(f"{name!r}:{expression}" for name, expression in expressions.items())
    return template(f"{{{pairs}}}|tojson")
