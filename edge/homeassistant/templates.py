"""Jinja templates with which Home Assistant reads what this device publishes.

`value` is the message as text: with the empty one, which clears a retained message, every template says nothing.
"""

from __future__ import annotations


def template(expression: str) -> str:
    """`expression` without `if`, which binds less than `and`."""
    return f"{{{{value and {expression}}}}}"


def switch(condition: str, on: str = "ON", off: str = "OFF") -> str:
    return template(f"({on!r} if {condition} else {off!r})")


def attributes(**expressions: str) -> str:
    """A JSON object of these expressions by their names."""
    pairs = ",".join(f"{name!r}:{expression}" for name, expression in expressions.items())
    return f"{{{{(value and {{{pairs}}}|tojson)or'{{}}'}}}}"


def all_attributes() -> str:
    """The whole message, which is a JSON object."""
    return "{{value or'{}'}}"
