"""A file that holds one secret and nothing else."""

from __future__ import annotations

import stat
from pathlib import Path

from edge.errors import MaskdError

SECRET_LIMIT = 65_535
"""Bytes: MQTT carries no more."""


def read_secret(path: Path, whose: str, what: str, setting: str) -> str:
    """The text in the file, without the end of its line. `whose` and `what` name it, as in "the broker's" "password".

    Raises MaskdError for a file that cannot be read or holds nothing that could be typed.
    """

    def unusable(reason: str) -> MaskdError:
        return MaskdError(
            f"{whose} {what} in {path} cannot be read: {reason}; put only the {what} into that file and make it "
            f"readable for maskd, or correct {setting}"
        )

    try:
        if not path.is_file():  # a pipe would wait for ever for a writer
            raise unusable("there is no such file" if not path.exists() else "it is not a file")
        with path.open("rb") as file:
            data = file.read(SECRET_LIMIT + 3)
    except OSError as error:
        raise unusable(error.strerror or str(error)) from error
    try:
        text = data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise unusable("it is not text") from None
    if not text:
        raise unusable("it is empty")
    if len(text.encode()) > SECRET_LIMIT:
        raise unusable(f"it is longer than {SECRET_LIMIT} bytes")
    if "\n" in text:
        raise unusable("it has more than one line")
    if not text.isprintable():
        raise unusable("it has characters that cannot be typed")
    return text


def readable_by_everybody(path: Path) -> str | None:
    """A sentence about a secret that any user of this device can read; None where it is kept. Raises OSError."""
    if not path.stat().st_mode & stat.S_IROTH:
        return None
    return f"every user of this device can read the secret in {path}; restrict it: chmod o= {path}"
