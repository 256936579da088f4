"""What kind of file a name promises."""

from __future__ import annotations

from pathlib import Path

PHOTO_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
)


def is_photo(path: Path) -> bool:
    """By the name alone; the file need not exist."""
    return path.suffix.lower() in PHOTO_SUFFIXES


def is_video(path: Path) -> bool:
    """By the name alone; the file need not exist."""
    return path.suffix.lower() in VIDEO_SUFFIXES
