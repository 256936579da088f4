"""What kind of file a name promises."""

from __future__ import annotations

from pathlib import Path

PHOTO_SUFFIXES = frozenset(
    {".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
UNSUPPORTED_PHOTO_SUFFIXES = frozenset({".avif", ".heic", ".heif"})
"""Photos as well: to say how they are converted is better than to pass over them."""
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
)


def is_photo(path: Path) -> bool:
    """By the name alone; the file need not exist."""
    return path.suffix.lower() in PHOTO_SUFFIXES | UNSUPPORTED_PHOTO_SUFFIXES


def is_video(path: Path) -> bool:
    """By the name alone; the file need not exist."""
    return path.suffix.lower() in VIDEO_SUFFIXES
