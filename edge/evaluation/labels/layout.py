"""What lies in the folders that `--data` names: which photos belong together, and which files hold their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.errors import MaskdError
from edge.evaluation.labels.coco import is_coco
from edge.evaluation.labels.label_files import (
    is_companion,
    labels_around,
    mention,
    strong_labels,
    weak_labels,
)
from edge.evaluation.labels.names import NO_FACE, LabelNames
from edge.evaluation.labels.photo_index import LABEL_FOLDERS, PHOTO_FOLDERS
from edge.evaluation.labels.photo_set import PhotoSet, SetKind, split_of
from edge.evaluation.labels.scan import Folder, scan
from edge.evaluation.labels.yolo import is_class_list

READ = "maskd reads Pascal VOC (.xml), YOLO (.txt with classes.txt or data.yaml), COCO (.json) and class folders"


@dataclass(slots=True)
class Layout:
    """The sets below some folders, and how many files belong to none of them, by kind."""

    sets: list[PhotoSet] = field(default_factory=list)
    not_looked_at: Counter[str] = field(default_factory=Counter)


def find_sets(folders: Iterable[Path], names: LabelNames) -> Layout:
    """The sets in these folders, each of which is a set or holds several; `names` says which folders name a label.

    Raises MaskdError for a folder that does not exist, cannot be read or holds no photos, and where labels may lie next
    to photos that cannot be told to be theirs: such photos are never treated as photos without people.
    """
    sets: dict[Path, PhotoSet] = {}
    files: set[Path] = set()
    layout = Layout()
    for path in folders:
        folder = scan(path)
        found = _Finder(names, path).sets_in(folder)
        if not found:
            raise MaskdError(f"{path}: holds no photos; {READ}, and photos without people")
        files.update(folder.all_files())
        sets.update((photo_set.path.resolve(), photo_set) for photo_set in found)
        layout.not_looked_at["hidden"] += sum(each.hidden for each in folder.walk())
        layout.not_looked_at["linked twice or to nowhere"] += sum(each.links for each in folder.walk())
    layout.sets = _without_repeated(sets.values())
    for each in layout.sets:
        files -= {*each.photos, *each.label_files, *each.names_files}
    layout.not_looked_at.update(path.suffix.lower() or "without a suffix" for path in files if not is_companion(path))
    layout.not_looked_at = +layout.not_looked_at
    return layout


def _without_repeated(sets: Iterable[PhotoSet]) -> list[PhotoSet]:
    """Without sets that are part of another one, as when a folder and one in it are both given."""
    listed = list(sets)
    photos = [{photo.resolve() for photo in each.photos} for each in listed]
    return [each for each, own in zip(listed, photos, strict=True) if not any(own < other for other in photos)]


class _Finder:
    """Goes through one of the folders given."""

    def __init__(self, names: LabelNames, given: Path) -> None:
        self._names = names
        self._given = given

    def sets_in(self, folder: Folder, lists: Sequence[Path] = ()) -> list[PhotoSet]:
        """`lists` are lists of YOLO's classes in the folders above."""
        if not folder.all_photos():
            return []
        lists = [*lists, *filter(is_class_list, folder.files)]
        parts = [child for child in folder.folders if child.all_photos()]
        if pair := _pair(folder):
            photos, labels = pair
            return [self._boxed(folder, photos, [*folder.files, *_files(labels)], lists, photos[0].path)]
        if _is_split(folder, parts):
            return self._split(folder, parts, lists)
        around = [child for child in folder.folders if not child.all_photos()]
        labels_here = strong_labels([*folder.files, *_files(around)], folder.all_photos())
        pure = [part for part in parts if not strong_labels(part.all_files(), part.all_photos())]
        if labels_here and (folder.photos or len(pure) == len(parts)):
            own = Folder(folder.path, folder.files)
            boxed = self._boxed(folder, [own, *pure], [*folder.files, *_files(around)], lists, folder.path)
            return [boxed, *(found for part in parts if part not in pure for found in self.sets_in(part, lists))]
        if labels_here:
            raise MaskdError(
                f"{labels_here[0]}: cannot tell which photos these labels are for; put them next to their photos, or "
                "into a folder `annotations` next to the folder `images`"
            )
        if any(self._is_class(part) for part in pure):
            return self._classes(folder, parts, pure, lists)
        if parts:
            return self._several(folder, parts, lists)
        return [self._unlabelled(folder)]

    def _split(self, folder: Folder, parts: Sequence[Folder], lists: Sequence[Path]) -> list[PhotoSet]:
        """Folders called train, val, test: one set, whose parts stay as they are."""
        files = folder.all_files()
        lists = [*lists, *filter(is_class_list, files)]
        if strong_labels(files, folder.all_photos()):
            return [self._boxed(folder, parts, files, lists, folder.path)]
        inner = [child for part in parts for child in part.folders if child.all_photos()]
        if inner:
            return self._classes(folder, inner, inner, lists)
        self._refuse_weak(files, folder)
        return [PhotoSet(folder.path, "plain", tuple(folder.all_photos()), photos_folder=folder.path, has_splits=True)]

    def _boxed(
        self, folder: Folder, photo_folders: Sequence[Folder], files: Sequence[Path], lists: Sequence[Path], base: Path
    ) -> PhotoSet:
        """A set with label files: all of one kind."""
        photos = [photo for each in photo_folders for photo in each.all_photos()]
        labels = strong_labels(files, photos)
        lists = sorted({*lists, *filter(is_class_list, files)})
        kinds: dict[SetKind, list[Path]] = {
            "voc": [path for path in labels if path.suffix.casefold() == ".xml"],
            "coco": [path for path in labels if is_coco(path)],
            "yolo": [path for path in labels if path.suffix.casefold() == ".txt"],
        }
        present = [kind for kind, found in kinds.items() if found]
        if len(present) > 1:
            first, second = (kinds[kind][0] for kind in present[:2])
            raise MaskdError(f"{folder.path}: has labels of two kinds, {first} and {second}; move one kind elsewhere")
        if not present:
            self._refuse_weak([path for path in files if path not in photos], folder)
            raise MaskdError(f"{folder.path}: no photo in {base} has a label file; {READ}")
        kind = present[0]
        return PhotoSet(
            folder.path,
            kind,
            tuple(photos),
            tuple(kinds[kind]),
            tuple(lists) if kind == "yolo" else (),
            photos_folder=base,
            has_splits=_has_splits(photos, folder.path),
        )

    def _classes(
        self, folder: Folder, parts: Sequence[Folder], pure: Sequence[Folder], lists: Sequence[Path]
    ) -> list[PhotoSet]:
        """Folders of which some are called for a label. Those that are not, and photos above, are left out."""
        named = [part for part in pure if self._is_class(part)]
        sets = [part for part in parts if part not in named and (part not in pure or self._holds_classes(part))]
        problems = [self._nameless(part) for part in parts if part not in named and part not in sets]
        if folder.photos:
            problems.append(
                f"{folder.path}: photos above the class folders, {len(folder.photos)} of them such as "
                f"{folder.photos[0].name}, have no label; move them into a class folder"
            )
        photos = [photo for part in named for photo in part.all_photos()]
        if not photos:
            raise MaskdError(problems[0])
        classes = PhotoSet(
            folder.path,
            "classes",
            tuple(photos),
            photos_folder=folder.path,
            has_splits=_has_splits(photos, folder.path),
            problems=tuple(problems),
        )
        return [classes, *(found for part in sets for found in self.sets_in(part, lists))]

    def _is_class(self, folder: Folder) -> bool:
        return self._names.folder_meaning(folder.path.name) is not None and not self._holds_classes(folder)

    def _holds_classes(self, folder: Folder) -> bool:
        """Whether a folder is a set of class folders of its own, called `masks` perhaps."""
        meanings = {self._names.folder_meaning(each.path.name) for each in folder.folders if each.all_photos()}
        return len(meanings - {None}) > 1

    def _several(self, folder: Folder, parts: Sequence[Folder], lists: Sequence[Path]) -> list[PhotoSet]:
        """Folders that are sets of their own. Where none of them has labels, nothing tells what they show."""
        found = [(part, self.sets_in(part, lists)) for part in parts]
        plain = [part for part, sets in found for each in sets if each.kind == "plain" and each.path == part.path]
        if plain and (folder.photos or all(each.kind == "plain" for _, sets in found for each in sets)):
            raise MaskdError(self._nameless(plain[0]))
        for path in weak_labels(folder.files):
            if any(mention(path, part.all_photos()) for part in plain):
                raise MaskdError(f"{path}: may contain labels, but of a kind that maskd does not read; {READ}")
        sets = [each for _, sets in found for each in sets]
        if folder.photos:
            stray = (
                f"{folder.path}: photos above the sets, {len(folder.photos)} of them such as {folder.photos[0].name}, "
                "have no label; move them into a set"
            )
            sets[0] = _with_problem(sets[0], stray)
        return sets

    def _unlabelled(self, folder: Folder) -> PhotoSet:
        """A folder of photos without labels: they show no people, unless the folder is named after a label."""
        photos = tuple(folder.photos)
        if self._names.folder_meaning(folder.path.name):
            label = folder.path.name
            return PhotoSet(folder.path, "classes", photos, photos_folder=folder.path, label=label)
        if "mask" in folder.path.name.casefold():
            # `people with masks`: hardly a room without people.
            raise MaskdError(self._nameless(folder, NO_FACE))
        self._refuse_weak(folder.all_files(), folder)
        if folder.path == self._given and (elsewhere := labels_around(folder.path, photos)):
            raise MaskdError(
                f"{folder.path}: the labels of these photos seem to be in {elsewhere}; give the folder that contains "
                f"both: --data {elsewhere.parent}"
            )
        return PhotoSet(folder.path, "plain", photos, photos_folder=folder.path)

    def _nameless(self, folder: Folder, nobody: str | None = None) -> str:
        name = folder.path.name
        otherwise = f"--map '{name}={nobody}'" if nobody else f"give the folder separately: --data {folder.path}"
        return (
            f"{folder.path} is not named after a label ({self._names.choices()}), and its photos have no labels; "
            f"give their label, --map '{name}=LABEL', or if they show no people, {otherwise}"
        )

    def _refuse_weak(self, files: Iterable[Path], folder: Folder) -> None:
        found = next(iter(weak_labels(files, folder.all_photos())), None)
        if found:
            raise MaskdError(
                f"{found}: may contain labels of the photos in {folder.path}, but of a kind that maskd does not "
                f"read; {READ}; move it elsewhere if it does not"
            )


def _pair(folder: Folder) -> tuple[list[Folder], list[Folder]] | None:
    """The folders `images` and `annotations`, in one of the spellings of their names."""
    photos = [each for each in folder.folders if each.path.name.casefold() in PHOTO_FOLDERS]
    labels = [each for each in folder.folders if each.path.name.casefold() in LABEL_FOLDERS]
    return (photos, labels) if photos and labels else None


def _is_split(folder: Folder, parts: Sequence[Folder]) -> bool:
    """Whether the photos lie in folders for training and for something else."""
    splits = {split_of(Path(part.path.name)) for part in parts}
    return not folder.photos and len(splits) > 1 and None not in splits and "train" in splits


def _has_splits(photos: Iterable[Path], root: Path) -> bool:
    splits = {split_of(photo.relative_to(root).parent) for photo in photos}
    return len(splits) > 1 and None not in splits and "train" in splits


def _files(folders: Iterable[Folder]) -> list[Path]:
    return [path for folder in folders for path in folder.all_files()]


def _with_problem(photo_set: PhotoSet, problem: str) -> PhotoSet:
    return replace(photo_set, problems=(*photo_set.problems, problem))
