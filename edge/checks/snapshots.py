"""Whether pictures of events are kept, for how long, and where they can be seen."""

from __future__ import annotations

from edge.checks.row import Row, judged, megabytes
from edge.config import Config
from edge.store.snapshot_folder import LEAST_FREE_BYTES, SnapshotFolder


def snapshots_row(config: Config, *, free_bytes: int) -> Row:
    """`free_bytes`: on the disk of `storage.path`. Raises OSError where the folder cannot be read."""
    settings, folder = config.snapshots, SnapshotFolder(config.storage.path)
    if not settings.enabled:
        return Row("skipped", "snapshots", "snapshots.enabled is false: no picture is kept")
    if config.privacy == "aggregate":
        return Row("skipped", "snapshots", "privacy is aggregate: no picture is kept, whatever snapshots.enabled says")
    count, taken = folder.usage()
    warnings = []
    if free_bytes + taken < settings.keep_bytes + LEAST_FREE_BYTES:
        warnings.append(
            f"snapshots may grow to {megabytes(settings.keep_bytes)}, but the disk is too small for that: they stop "
            f"where less than {megabytes(LEAST_FREE_BYTES)} is free; free some space, or lower snapshots.keep_bytes"
        )
    published = ", published over MQTT" if config.publishes_snapshots else ""
    detail = f"{count} kept, {megabytes(taken)}; faces {settings.faces}, for {settings.keep_days:g} days{published}"
    return judged("snapshots", detail, warnings=warnings, figures={"kept": count, "bytes": taken})
