"""Ways to damage a file; each takes bytes and two numbers that say where and how, which hypothesis can shrink."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

Edit = Callable[[bytes, int, int], bytes]

HOSTILE_SCALARS = (
    "",
    "null",
    "true",
    "on",
    "-1",
    "0",
    "0x1F",
    "0o17",
    "1:30",
    "1_000",
    "1e400",
    "-.inf",
    ".nan",
    "1e-400",
    "9" * 5000,
    "0." + "3" * 5000,
    "2026-02-30",
    "2026-02-30T25:61:61Z",
    "[]",
    "{}",
    "[[[[[[]]]]]]",
    "{a: {b: {c: {d: 1}}}}",
    "[" * 3000,
    "[" * 3000 + "]" * 3000,
    "{a: " * 1500 + "1" + "}" * 1500,
    "- " * 2000,
    "? " * 2000,
    "[&a [x, x, x], &b [*a, *a, *a, *a, *a, *a], &c [*b, *b, *b, *b, *b, *b], [*c, *c, *c, *c, *c, *c, *c, *c, *c]]",
    "[0.1, 0.2, 0.3]",
    "[[0, 0], [1, 1], [1, 0], [0, 1]]",
    "&x [*x]",
    "&x {a: *x}",
    "*nowhere",
    "!!python/object/apply:os.system [id]",
    "!!binary AAAA",
    "!!set {a, b}",
    "!<tag:yaml.org,2002:int> 5",
    "? complex",
    "<<: *x",
    "|\n    folded\n   less",
    "'never closed",
    '"\\ud800"',
    '"\\x00"',
    '"\\uFEFF"',
    "%TAG",
    "---",
    "...",
    "\tTab",
    "Å\u202e\U0001f600\u0301",
    "\x85\u2028",
    "../../../../etc/passwd",
    "/dev/stdin",
    "a" * 3000,
    "maskd/+/#",
    "rtsp://user:pass@host:99999/%zz",
    "http://[::1",
)
HOSTILE_JSON: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    255,
    2**31,
    2**63,
    10**400,
    -(10**30),
    0.5,
    1e308,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    "0",
    "unknown",
    "with_mask",
    "x" * 5000,
    "\x00\ud800",
    "2026-02-30",
    [],
    {},
    [None],
    [8, 8],
    [1, 2, 3],
    ["a", "b"],
    ["a", "a", 7],
    {"a": {"a": {"a": 1}}},
)


def mutated(seeds: Sequence[bytes], edits: Sequence[Edit], *, at_most: int = 3) -> st.SearchStrategy[bytes]:
    """One of the seeds after some of the edits; one that goes through them unchanged is among them."""
    number = st.integers(0, 2**16 - 1)
    steps = st.lists(st.tuples(st.sampled_from(edits), number, number), max_size=at_most)
    return st.builds(_apply, st.sampled_from(seeds), steps)


def _apply(data: bytes, steps: Sequence[tuple[Edit, int, int]]) -> bytes:
    for edit, where, how in steps:
        data = edit(data, where, how)
    return data


def _position(data: bytes, where: int) -> int:
    """Half of the places lie in the first hundred bytes, where the headers are."""
    return (where // 2) % (len(data) + 1 if where % 2 else min(len(data), 100) + 1)


def flip_bit(data: bytes, where: int, how: int) -> bytes:
    position = _position(data, where)
    return (
        data[:position] + bytes(byte ^ (1 << how % 8) for byte in data[position : position + 1]) + data[position + 1 :]
    )


def set_bytes(data: bytes, where: int, how: int) -> bytes:
    """Numbers at the ends of their range, where a header may hold a size."""
    values = (b"\x00", b"\xff", b"\x7f\xff", b"\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff")
    value = values[how % len(values)]
    position = _position(data, where)
    return data[:position] + value + data[position + len(value) :]


def truncate(data: bytes, where: int, how: int) -> bytes:
    return data[: _position(data, where)]


def delete(data: bytes, where: int, how: int) -> bytes:
    position = _position(data, where)
    return data[:position] + data[position + 1 + how % 64 :]


def repeat(data: bytes, where: int, how: int) -> bytes:
    position = _position(data, where)
    return data[:position] + data[position : position + 1 + how % 256] * 2 + data[position:]


def insert_noise(data: bytes, where: int, how: int) -> bytes:
    position = _position(data, where)
    return data[:position] + how.to_bytes(2, "big") * (1 + how % 5) + data[position:]


BYTE_EDITS: tuple[Edit, ...] = (flip_bit, set_bytes, truncate, delete, repeat, insert_noise)


def _on_lines(data: bytes, where: int, change: Callable[[list[bytes], int], None]) -> bytes:
    lines = data.split(b"\n")
    change(lines, where % len(lines))
    return b"\n".join(lines)


def swap_lines(data: bytes, where: int, how: int) -> bytes:
    def change(lines: list[bytes], at: int) -> None:
        other = how % len(lines)
        lines[at], lines[other] = lines[other], lines[at]

    return _on_lines(data, where, change)


def repeat_line(data: bytes, where: int, how: int) -> bytes:
    def change(lines: list[bytes], at: int) -> None:
        lines.insert(how % len(lines), lines[at])

    return _on_lines(data, where, change)


def delete_line(data: bytes, where: int, how: int) -> bytes:
    return _on_lines(data, where, lambda lines, at: lines.__delitem__(at))


def indent_line(data: bytes, where: int, how: int) -> bytes:
    def change(lines: list[bytes], at: int) -> None:
        lines[at] = b" " * (how % 9) + lines[at].lstrip() if how % 2 else b"  " + lines[at]

    return _on_lines(data, where, change)


def replace_value(data: bytes, where: int, how: int) -> bytes:
    """What follows a name, or a whole line that has none."""

    def change(lines: list[bytes], at: int) -> None:
        name, colon, _ = lines[at].partition(b":")
        value = HOSTILE_SCALARS[how % len(HOSTILE_SCALARS)].encode()
        lines[at] = name + colon + b" " + value if colon else value

    return _on_lines(data, where, change)


LINE_EDITS: tuple[Edit, ...] = (swap_lines, repeat_line, delete_line, indent_line, replace_value, replace_value)


def _on_json(data: bytes, where: int, change: Callable[[Any, Any], None]) -> bytes:
    """Applies `change(container, key)` somewhere in the document; what is no JSON (any more) stays as it is."""
    try:
        document = json.loads(data)
        places = list(_places(document))
        if not places:
            return data
        change(*places[where % len(places)])
        return json.dumps(document).encode()
    except (ValueError, RecursionError):  # from Python 3.12 on json reads what is too deep for the rest
        return data


def _places(value: Any) -> Any:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield value, key
        yield from _places(child)


def replace_json(data: bytes, where: int, how: int) -> bytes:
    def change(container: Any, key: Any) -> None:
        container[key] = HOSTILE_JSON[how % len(HOSTILE_JSON)]

    return _on_json(data, where, change)


def delete_json(data: bytes, where: int, how: int) -> bytes:
    return _on_json(data, where, lambda container, key: container.__delitem__(key))


def rename_json(data: bytes, where: int, how: int) -> bytes:
    def change(container: Any, key: Any) -> None:
        if isinstance(container, dict):
            container[f"{key}{how % 3 or ''}"] = container.pop(key)

    return _on_json(data, where, change)


def nest_json(data: bytes, where: int, how: int) -> bytes:
    """Brackets deeper than any parser's stack, in place of a number or a text."""
    depth = (10, 130, 5_000, 100_000)[how % 4]
    opened, closed = ((b"[", b"]"), (b'{"a":', b"}"))[how % 2]
    colon = data.find(b":", where % (len(data) + 1))
    return data[: colon + 1] + opened * depth + b"0" + closed * (depth if how % 3 else 0) + data[colon + 1 :]


JSON_EDITS: tuple[Edit, ...] = (replace_json, replace_json, replace_json, delete_json, rename_json, nest_json)
