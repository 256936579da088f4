"""Boxes on a picture: the one place where corner arithmetic lives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels; (x1, y1) is the top left corner, (x2, y2) lies just outside."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        return max(0.0, self.x2 - self.x1)

    @property
    def height(self) -> float:
        return max(0.0, self.y2 - self.y1)

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def clipped(self, width: float, height: float) -> Box:
        """The part of the box that lies on a picture of this size, in pixels."""

        return Box(
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
            min(max(self.x2, 0.0), width),
            min(max(self.y2, 0.0), height),
        )

    def scaled(self, x: float, y: float) -> Box:
        """Coordinates multiplied by `x` and `y`: from one picture size to another, or to fractions of it."""
        return Box(self.x1 * x, self.y1 * y, self.x2 * x, self.y2 * y)

    def moved(self, dx: float, dy: float) -> Box:
        return Box(self.x1 + dx, self.y1 + dy, self.x2 + dx, self.y2 + dy)

    def grown(self, share: float) -> Box:
        """With so much of its size added on each side."""
        x, y = share * self.width, share * self.height
        return Box(self.x1 - x, self.y1 - y, self.x2 + x, self.y2 + y)

    def overlaps(self, other: Box) -> bool:
        """Whether they share more than a border."""
        return self.x1 < other.x2 and other.x1 < self.x2 and self.y1 < other.y2 and other.y1 < self.y2

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        width = max(0.0, min(self.x2, other.x2) - max(self.x1, other.x1))
        height = max(0.0, min(self.y2, other.y2) - max(self.y1, other.y1))
        overlap = width * height
        return overlap / max(self.area + other.area - overlap, 1e-9)
