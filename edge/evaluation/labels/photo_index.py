"""Which photo a label file means: by the name that it gives, by its own name, and by the folders of both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.camera.suffixes import is_photo
from edge.evaluation.labels.photo_set import PhotoSet, UnusableError

PHOTO_FOLDERS = {"images", "image", "imgs", "img", "jpegimages", "photos", "photo", "pictures", "pics", "frames"}
LABEL_FOLDERS = {
    "annotations", "annotation", "annots", "anns", "labels", "label", "labelfiles", "xml", "xmls", "bboxes", "boxes",
    "ground_truth", "gt",
}  # fmt: skip
"""Names of the folders that photos and label files lie in, compared without case."""


class PhotoIndex:
    """The photos of a set by name."""

    def __init__(self, photo_set: PhotoSet) -> None:
        self._root = photo_set.path
        self._photos_folder = photo_set.photos_folder
        # From the surest way in which a name can fit to the least sure one.
        self._ways: list[dict[str, list[Path]]] = [defaultdict(list) for _ in range(4)]
        for photo in photo_set.photos:
            for way, name in zip(self._ways, _spellings(photo.name, photo.stem), strict=True):
                way[name].append(photo)

    def find(self, label_file: Path, named: str | None = None) -> Path:
        """The photo that a label file means by the name `named`, or by the file's own name where that fits none.

        Only the last part of `named` counts: many label files carry the path on the machine where they were made, and
        none may lead out of the set. Raises UnusableError where no photo fits, or several do.
        """
        own = label_file.stem
        names = [(Path((named or "").strip().replace("\\", "/")).name, True), (own, False)]
        for name, exactly in names:
            if not name:
                continue
            stem = Path(name).stem if is_photo(Path(name)) or (exactly and Path(name).suffix) else name
            spellings = _spellings(name, stem)
            for way, spelling in zip(self._ways, spellings, strict=True):
                fitting = way.get(spelling, [])
                if fitting:
                    return self._nearest(fitting, label_file)
        raise UnusableError(f"{label_file}: its photo is missing from {self._photos_folder}")

    def named_like(self, label_file: Path) -> list[Path]:
        """The photos that have a label file's own name."""
        return self._ways[-1].get(label_file.stem.casefold(), [])

    def _nearest(self, fitting: Sequence[Path], label_file: Path) -> Path:
        """The photo in the label file's own folder, or in the one that mirrors it."""
        for places in (
            [photo for photo in fitting if photo.parent == label_file.parent],
            [photo for photo in fitting if self._place(photo) == self._place(label_file)],
            fitting,
        ):
            if len(places) == 1:
                return places[0]
            if places:
                fitting = places
        names = " and ".join(str(photo) for photo in fitting[:2])
        raise UnusableError(f"{label_file}: fits {names}; rename one of them, or give the photo's suffix in it")

    def _place(self, path: Path) -> tuple[str, ...]:
        """The folders above, without those that only tell photos from labels."""
        parts = path.relative_to(self._root).parts[:-1] if path.is_relative_to(self._root) else path.parts[:-1]
        return tuple(part for part in parts if part.casefold() not in PHOTO_FOLDERS | LABEL_FOLDERS)


def _spellings(name: str, stem: str) -> tuple[str, str, str, str]:
    return name, name.casefold(), stem, stem.casefold()


def without_rivals(claims: Mapping[Path, Sequence[Path]], problems: list[str]) -> dict[Path, Path]:
    """The photos that one label file alone means, by that file; several for one photo are listed in `problems`."""
    result: dict[Path, Path] = {}
    for photo, files in claims.items():
        if len(files) == 1:
            result[files[0]] = photo
        else:
            problems.append(f"{photo}: has {len(files)} label files, {' and '.join(map(str, files))}; keep one")
    return result
