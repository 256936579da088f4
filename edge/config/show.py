"""`maskd config show`: what is in effect, and where commands have set something else than config.yaml says."""

from __future__ import annotations

import logging
from pathlib import Path

from edge.config import Config
from edge.config.file import find_config, load_config, show_config
from edge.config.overrides import Overrides
from edge.errors import MaskdError
from edge.system.masking import mask_url


def run_config_show(path: Path | None) -> int:
    """Prints YAML whose leading comments name what differs from the file; returns the exit status. Raises UsageError
    for a configuration that is not valid."""
    path = path or find_config()
    config, notes = in_effect(load_config(path), path)
    for note in notes:
        print(f"# {mask_url(note)}")
    print(show_config(config), end="")
    return 0


def in_effect(config: Config, path: Path | None) -> tuple[Config, list[str]]:
    """The configuration, read from `path`, with what commands have set laid over it, and a sentence for each
    difference. Where the overrides may not be read by this user, they are left out, and a sentence says so."""
    # What goes wrong is one of the sentences; logged as well, it would be told twice.
    logging.getLogger("edge.config.overrides").addHandler(logging.NullHandler())
    logging.getLogger("edge.config.overrides").propagate = False
    overrides = Overrides(config.storage.path, path)
    try:
        overrides.require_right_to_read()
    except MaskdError as error:
        return config, [str(error)]
    overrides.read()
    layers = overrides.over(config)
    overrides.take(layers)
    return layers.effective, [*layers.dropped, *overrides.problems()]
