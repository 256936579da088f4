"""Which files hold labels, for certain or perhaps, by their names and by the photos next to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from edge.camera.suffixes import is_photo
from edge.evaluation.labels.coco import is_coco
from edge.evaluation.labels.photo_index import LABEL_FOLDERS, PHOTO_FOLDERS
from edge.evaluation.labels.yolo import is_class_list

_OWN = re.compile(r"(unlabelled|corrections)\.json|(licen[cs]e|copying)(\.(txt|md))?", re.IGNORECASE)
"""What else a set may hold that maskd reads."""
_FOR_PEOPLE = re.compile(r"(readme|licen[cs]e|copying)(\..*)?", re.IGNORECASE)
_OTHER_LABELS = {
    ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".xml", ".tfrecord", ".tfrecords", ".record", ".mat", ".parquet",
    ".pkl", ".npy", ".npz", ".lst", ".arff", ".xlsx", ".xls", ".ods", ".yaml", ".yml", ".names", ".txt",
}  # fmt: skip
_TEXT_BYTES = 20_000_000
_SHORTEST_STEM = 3
"""Characters: a shorter photo name, such as `1`, occurs in many texts by chance."""


def is_companion(path: Path) -> bool:
    """Whether a file is neither a photo nor a label, but read all the same: corrections, a licence."""
    return bool(_OWN.fullmatch(path.name))


def _holds_no_labels(path: Path) -> bool:
    return is_companion(path) or bool(_FOR_PEOPLE.fullmatch(path.name))


def strong_labels(files: Iterable[Path], photos: Iterable[Path]) -> list[Path]:
    """The files that hold labels of a kind that maskd reads: XML, COCO's JSON, and texts named like a photo."""
    stems = {photo.stem for photo in photos}

    def is_label(path: Path) -> bool:
        suffix = path.suffix.casefold()
        return (
            suffix == ".xml"
            or (suffix == ".txt" and path.stem in stems and not is_class_list(path))
            or (suffix == ".json" and is_coco(path))
        )

    return [path for path in files if not _holds_no_labels(path) and is_label(path)]


def weak_labels(files: Iterable[Path], photos: Sequence[Path] | None = None) -> list[Path]:
    """The files that may hold labels; a text only where it names one of the photos, if these are given."""
    return [
        path
        for path in files
        if path.suffix.casefold() in _OTHER_LABELS
        and not _holds_no_labels(path)
        and (path.suffix.casefold() != ".txt" or photos is None or is_class_list(path) or mention(path, photos))
    ]


def mention(path: Path, photos: Iterable[Path]) -> bool:
    """Whether a file names one of the photos."""
    try:
        if path.stat().st_size > _TEXT_BYTES:
            return True
        words = set(re.findall(r"[\w.-]+", path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return True
    return any(photo.name in words or (len(photo.stem) >= _SHORTEST_STEM and photo.stem in words) for photo in photos)


def labels_around(folder: Path, photos: Sequence[Path]) -> Path | None:
    """Where the labels of a folder of photos seem to lie, outside of it: in a folder `annotations` or the like next to
    it or to the one above, or in files next to it. None where there are none, or these places cannot be read."""
    stems = {photo.stem for photo in photos}
    for above in (folder.resolve().parent, folder.resolve().parent.parent):
        try:
            entries = sorted(above.iterdir())
            others = [entry for entry in entries if entry.name.casefold() in PHOTO_FOLDERS and entry.is_dir()]
            if any(not folder.resolve().is_relative_to(entry) for entry in others):
                # The labels are those of the photos there.
                continue
            for entry in entries:
                if entry.name.casefold() in LABEL_FOLDERS and entry.is_dir():
                    files = [
                        *entry.iterdir(),
                        *(inner for sub in entry.iterdir() if sub.is_dir() for inner in sub.iterdir()),
                    ]
                    if any(_is_label_of(path, stems) or (is_coco(path) and mention(path, photos)) for path in files):
                        return entry
        except OSError:
            continue
    beside = [path for path in _files_in(folder.resolve().parent) if not is_photo(path)]
    return next(
        (path for path in beside if _is_label_of(path, stems) or (_may_list(path) and mention(path, photos))), None
    )


def _is_label_of(path: Path, stems: set[str]) -> bool:
    return path.suffix.casefold() in (".xml", ".txt", ".json") and path.stem in stems


def _may_list(path: Path) -> bool:
    return path.suffix.casefold() in (".json", ".csv", ".tsv", ".jsonl", ".txt") and not _holds_no_labels(path)


def _files_in(folder: Path) -> list[Path]:
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError:
        return []
