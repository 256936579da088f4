"""What needs neither cameras nor vision loads neither: half the memory on a small board, and a quick answer."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

import edge.payloads
from edge.payloads.events import draft_events
from edge.store.outbox import Outbox
from edge.store.record import Record
from tests.support.mosquitto import HOST, Mosquitto
from tests.support.places import ROOT
from tests.support.transitions import MODELS, TOPICS, transition

CHECKOUT = ROOT
HEAVY = ("cv2", "av", "numpy")


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=CHECKOUT)


def loaded_by(arguments: Sequence[str]) -> tuple[str, str]:
    """What the command printed, and which libraries of pictures it had loaded by its end."""
    told = python(
        "import sys\n"
        "from edge.cli import main\n"
        "try:\n"
        f"    status = main({list(arguments)!r})\n"
        "except SystemExit as ending:\n"
        "    status = ending.code\n"
        f"print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(status)"
    )
    assert told.returncode == 0, told.stderr
    return told.stdout, told.stderr.partition("LOADED ")[2].strip()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"device: lobby\ncameras: {{door: {{source: demo}}}}\nstorage: {{path: {tmp_path}}}\n", encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("module", [module.name for module in pkgutil.iter_modules(edge.payloads.__path__)])
def test_a_payload_imports_no_camera_and_no_vision(module: str) -> None:
    told = python(f"import sys, edge.payloads.{module}; print(*sys.modules)")
    assert told.returncode == 0, told.stderr
    parts = ("edge.camera", "edge.vision", *HEAVY)
    assert [name for name in told.stdout.split() if name.startswith(parts)] == []


@pytest.mark.parametrize("arguments", [["--version"], ["config", "schema"], ["events", "--help"]])
def test_what_needs_no_configuration_loads_no_vision(arguments: list[str]) -> None:
    printed, loaded = loaded_by(arguments)
    assert printed
    assert loaded == "[]"


def test_playing_the_demo_leaves_vision_to_its_daemon() -> None:
    told = python(f"import sys, edge.commands.demo.demo; print(sorted(set({HEAVY!r}) & set(sys.modules)))")
    assert (told.stdout, told.stderr) == ("[]\n", "")


def test_showing_the_configuration_loads_no_vision(config: Path) -> None:
    printed, loaded = loaded_by(["config", "show", "-c", str(config)])
    assert "lobby" in printed
    assert loaded == "[]"


def test_listing_events_loads_no_vision(config: Path) -> None:
    record = Record(config.parent, keep_days=36_500, keep_bytes=100_000_000)
    outbox = Outbox(config.parent, max_events=100, max_bytes=1_000_000, record=record)
    outbox.open()
    with closing(outbox):
        outbox.append(draft_events([transition()], TOPICS, MODELS))
    printed, loaded = loaded_by(["events", "-c", str(config)])
    assert "started" in printed
    assert loaded == "[]"


def test_clearing_the_broker_loads_no_vision(config: Path, mosquitto: Mosquitto) -> None:
    with config.open("a", encoding="utf-8") as file:
        file.write(f"mqtt: {{host: {HOST}, port: {mosquitto.port}}}\n")
    printed, loaded = loaded_by(["purge", "-c", str(config)])
    assert "cleared 0 retained messages of lobby" in printed
    assert loaded == "[]"
