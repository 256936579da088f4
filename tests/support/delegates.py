"""A real delegate for the tests: a small library that is built here."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def fake_delegate(folder: Path, name: str = "libfake.so") -> Path:
    """The library in a folder; skips the test where there is no C compiler. See fake_delegate.c for its options."""
    content = _built()
    if content is None:
        pytest.skip("there is no C compiler (sudo apt install gcc libc6-dev)")
    path = folder / name
    path.write_bytes(content)
    return path


@functools.cache
def _built() -> bytes | None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    source = Path(__file__).with_name("fake_delegate.c")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-pthread", "-Wall", "-Werror", "-o", str(library), str(source)], check=True
        )
        return library.read_bytes()
