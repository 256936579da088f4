"""TensorFlow in the tests: it takes seconds and a gigabyte to load, so only one process does: see distribution.py."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

import pytest

NEEDS_TENSORFLOW = [
    pytest.mark.skipif(
        find_spec("tensorflow") is None, reason="TensorFlow is not installed: the extra `train` of pyproject.toml"
    )
]


class Later:
    """A module that is imported when it is first asked for something."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)
