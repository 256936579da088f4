"""`maskd run`: the daemon."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from edge.system.arguments import add_config

DESCRIPTION = "Runs the daemon until it is stopped."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    with _no_garbage_collection():
        from edge.config.file import find_config, load_config

        # A mistake in the configuration is told at once, before OpenCV and the models' runtime are loaded.
        path = args.config or find_config()
        config = load_config(path)
        from edge.daemon.run import run

    return run(config, path)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """While modules are imported, which leave no garbage: looking for some took a tenth of the start. What is there at
    the end stays to the end, and is not looked at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
