"""Fixtures that several tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer

from tests.support.distribution import ByFile, loads_tensorflow, place
from tests.support.leftovers import guarded, nothing_left_running
from tests.support.mosquitto import Mosquitto
from tests.support.programs import BROKER, need

__all__ = ["guarded", "nothing_left_running"]  # for every test

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no defect: speed is measured in benchmarks/.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place(item.nodeid))
    for item in items:
        if loads_tensorflow(item.nodeid.partition("::")[0]):
            item.add_marker("tensorflow")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


@pytest.fixture
def mosquitto_folder(tmp_path: Path) -> Path:
    """A folder for a broker; skips the test if a program of Mosquitto's is not installed."""
    need(*BROKER)
    return tmp_path / "mosquitto"


@pytest.fixture
def mosquitto(mosquitto_folder: Path) -> Iterator[Mosquitto]:
    """A running broker that lets everyone in."""
    broker = Mosquitto(mosquitto_folder)
    broker.start()
    yield broker
    broker.stop()
