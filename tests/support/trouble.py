"""A system that refuses or delays what a program asks of it, by a library that is preloaded (fake_trouble.c)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shared_library import library_of


class Trouble:
    """Acts on programs that run with `environment`."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._folder = folder
        self.environment = {"LD_PRELOAD": str(library), "FAKE_TROUBLE": str(folder)}

    def slow_fsync(self, seconds: float) -> None:
        """From now on each fsync takes so long; 0: no longer than it does."""
        fresh = self._folder / "slow_fsync.new"
        fresh.write_text(str(seconds))
        fresh.replace(self._folder / "slow_fsync")

    def no_threads(self, refused: bool) -> None:
        """Whether no thread can be started."""
        if refused:
            (self._folder / "no_threads").touch()
        else:
            (self._folder / "no_threads").unlink(missing_ok=True)


def trouble_in(folder: Path) -> Trouble:
    """Skips the test where nothing can be compiled."""
    trouble = make_trouble(folder)
    if trouble is None:
        pytest.skip("there is no C compiler (sudo apt install gcc libc6-dev)")
    return trouble


def make_trouble(folder: Path) -> Trouble | None:
    """In a folder that must not exist; None where nothing can be compiled."""
    compiled = library_of("fake_trouble.c")
    if compiled is None:
        return None
    folder.mkdir(parents=True)
    library = folder / "trouble.so"
    library.write_bytes(compiled)
    return Trouble(folder, library)
