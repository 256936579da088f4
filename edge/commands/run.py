"""`maskd run`: the daemon."""

from __future__ import annotations

import argparse

from edge.config.file import find_config, load_config
from edge.system.arguments import add_config

DESCRIPTION = "Runs the daemon until it is stopped."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    # A mistake in the configuration is told at once, before OpenCV and the models' runtime are loaded.
    path = args.config or find_config()
    config = load_config(path)
    from edge.daemon.run import run

    return run(config, path)
