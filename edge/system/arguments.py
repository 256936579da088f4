"""Types of command-line arguments that the three commands share."""

from __future__ import annotations

import argparse
import errno
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from edge.errors import UsageError
from edge.system.paths import expanded
from edge.system.printable import one_line


class CommandParser(argparse.ArgumentParser):
    """Says how a file is given whose name begins with a dash."""

    def error(self, message: str) -> NoReturn:
        taken = [text for text in sys.argv[1:] if text.startswith("-") and os.path.lexists(text)]
        hint = f"; the file {one_line(taken[0])} looks like an option: write ./{one_line(taken[0])}" if taken else ""
        super().error(f"{one_line(message)}{hint}")


def prepare_output() -> None:
    """A file name may hold bytes that are not text; it is shown escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def of_the_disk(error: OSError) -> str:
    """A sentence for what a full or broken disk says while a command writes; another error is raised again."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
        raise error
    place = f"{one_line(str(error.filename))} cannot be written" if error.filename else "a file cannot be written"
    return f"{place}: {os.strerror(error.errno)}; free some space, there or in {tempfile.gettempdir()}, then try again"


def number(least: float, most: float) -> Callable[[str], float]:
    """An argument's type: a number from `least` to `most`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a number from {least:g} to {most:g}, not {text!r}")
        return value

    return parse


def whole_number(least: int, most: int | None = None, *, step: int = 1) -> Callable[[str], int]:
    """An argument's type: a whole number of at least `least` and at most `most`, a multiple of `step`."""

    def parse(text: str) -> int:
        value = int(text) if text.isdecimal() else least - 1
        if value < least or (most is not None and value > most) or value % step:
            span = f"of {least} or more" if most is None else f"from {least} to {most}"
            multiple = "" if step == 1 else f" that is a multiple of {step}"
            raise argparse.ArgumentTypeError(f"must be a whole number {span}{multiple}, not {text!r}")
        return value

    return parse


def name(text: str) -> str:
    """An argument's type: a name, as devices and cameras have it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"must be at most 64 letters, digits, - and _, not {text!r}")
    return text


def path(text: str) -> Path:
    """An argument's type: a path; its `~` is expanded, which shells leave alone in --out=~/drawings."""
    try:
        return expanded(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def existing_file(text: str) -> Path:
    """An argument's type: the path of a file that is there."""
    given = path(text)
    if not given.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return given


def _name_and_label(text: str) -> tuple[str, str]:
    name, separator, label = text.rpartition("=")
    if not (separator and name.strip() and label.strip()):
        raise argparse.ArgumentTypeError(f"must be NAME=LABEL, such as 'Maske=with_mask', not {text!r}")
    return name.strip(), label.strip()


def add_data(parser: argparse.ArgumentParser, photos: str, *, required: bool = True) -> None:
    """`--data DIR` and `--map NAME=LABEL`, each any number of times; `photos` tells what lies in the folders."""
    parser.add_argument(
        "--data",
        type=path,
        action="append",
        required=required,
        metavar="DIR",
        help=f"{photos}; may be given several times",
    )
    parser.add_argument(
        "--map",
        type=_name_and_label,
        action="append",
        default=[],
        dest="label_map",
        metavar="NAME=LABEL",
        help="meaning of a label in these photos: with_mask, without_mask, mask_weared_incorrect, unsure (a face, "
        "its status unknown) or no_face (not a face; for a class folder: no people); may be given several times",
    )


def add_config(
    parser: argparse.ArgumentParser, otherwise: str = "./config.yaml, then /etc/maskd/config.yaml, then the defaults"
) -> None:
    """`-c FILE`. `otherwise`: what holds without it."""
    parser.add_argument("-c", "--config", type=path, metavar="FILE", help=f"config.yaml (default: {otherwise})")


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=whole_number(1, 64), metavar="N", help="CPU threads for each model, 1 to 64")
