"""Boots a real Debian and installs maskd there, as a person would: `make system-test`."""

import pytest

pytest.register_assert_rewrite("tests.system.steps")
