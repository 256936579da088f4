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
_PROBED = ("__", "_pytest", "pytest", "_mock")
"""How the names begin that pytest asks of everything in a test module, to see whether it is a fixture or a test."""


class Later:
    """A module that is imported when it is first asked for something."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith(_PROBED):
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)
