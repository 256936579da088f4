"""Polygons that a person drew: whether they enclose anything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Point = tuple[float, float]


def problem_of_polygon(points: Sequence[Point]) -> str | None:
    """Why the outline encloses no clear area, as the end of a sentence; None where it does."""
    corners = [point for i, point in enumerate(points) if point != points[i - 1]]
    sides = [(corners[i - 1], corners[i]) for i in range(len(corners))]
    if any(_cross(*a, *b) for a, b in combinations(sides, 2)):
        return "the outline crosses itself; list the corners in order around the zone"
    if len(corners) < 3 or abs(_signed_area(corners)) < 1e-6:
        return "the corners are on one line, so the zone has no area; give at least 3 corners in order around it"
    return None


def _signed_area(points: Sequence[Point]) -> float:
    """The shoelace formula; positive or negative by the direction of walking."""
    return sum(points[i - 1][0] * y - x * points[i - 1][1] for i, (x, y) in enumerate(points)) / 2


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments a-b and c-d cross inside both; meeting at an end does not count."""
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0


def _turn(a: Point, b: Point, c: Point) -> float:
    """Positive where a, b, c turn one way, negative the other way, 0 on one line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
