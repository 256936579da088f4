"""Jinja templates with which Home Assistant reads what this device publishes."""

from __future__ import annotations


def template(expression: str, otherwise: str = "''") -> str:
    """What Home Assistant makes of a message; of the empty one with which a retained message is cleared, nothing."""
    return f"{{{{ ({expression}) if value_json is defined else {otherwise} }}}}"


def attributes(**expressions: str) -> str:
    """A JSON object of these expressions by their names."""
    pairs = ", ".join(f"'{name}': {expression}" for name, expression in expressions.items())
    return template(f"{{{pairs}}} | tojson", otherwise="'{}'")
