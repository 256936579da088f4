"""Everything that is fuzzed, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz.edits import BYTE_EDITS, JSON_EDITS, LINE_EDITS, Edit, mutated
from tests.fuzz.file_targets import (
    config_seeds,
    edit_seeds,
    feed_config,
    feed_edit,
    feed_manifest,
    feed_model,
    feed_photo,
    feed_video,
    manifest_seeds,
    model_seeds,
    photo_seeds,
    video_seeds,
)
from tests.fuzz.label_targets import (
    classes_seeds,
    coco_seeds,
    feed_classes,
    feed_coco,
    feed_voc,
    feed_yolo,
    voc_seeds,
    yolo_seeds,
)
from tests.fuzz.message_targets import command_seeds, feed_command, replace_level, replace_payload


@dataclass(frozen=True, slots=True)
class Target:
    """`feed(data, folder)` says whether an input was taken, and raises for a defect; it may write into the folder.
    `seeds(folder)` are inputs that are taken."""

    name: str
    feed: Callable[[bytes, Path], bool]
    seeds: Callable[[Path], Sequence[bytes]]
    edits: Sequence[Edit]

    def inputs(self, folder: Path) -> st.SearchStrategy[bytes]:
        return mutated(self.seeds(folder), self.edits)


TARGETS = {
    target.name: target
    for target in (
        Target("config", feed_config, config_seeds, (*LINE_EDITS, *BYTE_EDITS)),
        Target("edit", feed_edit, edit_seeds, (*LINE_EDITS, *BYTE_EDITS)),
        Target("command", feed_command, command_seeds, (replace_payload, replace_payload, replace_level, *BYTE_EDITS)),
        Target("photo", feed_photo, photo_seeds, BYTE_EDITS),
        Target("video", feed_video, video_seeds, BYTE_EDITS),
        Target("model", feed_model, model_seeds, BYTE_EDITS),
        Target("manifest", feed_manifest, manifest_seeds, (*JSON_EDITS, *JSON_EDITS, *BYTE_EDITS)),
        Target("voc", feed_voc, voc_seeds, BYTE_EDITS),
        Target("yolo", feed_yolo, yolo_seeds, (*LINE_EDITS, *BYTE_EDITS)),
        Target("coco", feed_coco, coco_seeds, (*JSON_EDITS, *JSON_EDITS, *BYTE_EDITS)),
        Target("classes", feed_classes, classes_seeds, (*LINE_EDITS, *BYTE_EDITS)),
    )
}
