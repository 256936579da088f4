"""docs/training.md and the commands that it describes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import converter.cli
import training.cli
from tests.support.places import ROOT

PAGE = ROOT / "docs" / "training.md"


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--") and option != "--help")
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from options(command)


def test_the_page_names_every_option_of_maskd_train_and_no_other() -> None:
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE.read_text(encoding="utf-8")))
    trained = set(options(training.cli._parser()))
    assert trained - named == set()
    assert named - trained - set(options(converter.cli._parser())) == set()
