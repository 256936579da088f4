"""The short form: one installation from its first event to its last file, in one pass. CI asks for it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system import steps
from tests.system.bundles import make_bundle
from tests.system.conftest import carry, watch_the_clip
from tests.system.debian import Debian
from tests.system.files import difference, files
from tests.system.roots import FETCHED, cached_root, why_not

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def asked_for() -> str:
    """The name of the Debian; skips the test where nobody asked, or where none can be booted."""
    name = os.environ.get("MASKD_SYSTEM_TEST_SHORT")
    if not name:
        pytest.skip("boots a Debian, for two minutes; MASKD_SYSTEM_TEST_SHORT=trixie, or all of it: make system-test")
    if reason := why_not():
        pytest.skip(reason)
    return name


def test_it_is_installed_sends_events_reloads_and_leaves_nothing(asked_for: str, tmp_path: Path) -> None:
    bundle = make_bundle(asked_for, tmp_path)
    with ExitStack() as stack:
        try:
            debian = stack.enter_context(Debian(cached_root(asked_for), tmp_path))
        except (RuntimeError, AssertionError) as error:
            pytest.skip(f"no Debian {asked_for} can be made and booted here: {error}")
        debian.sh(f"DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends {' '.join(FETCHED)}")
        before = files(debian)
        install = f"{carry(debian, bundle)}/install.sh"
        said = debian.run(install, "--with-broker", timeout=400)
        assert "FAIL" not in said.stdout, said.stdout
        steps.the_page_is_open_to_who_has_the_password(debian, said.stdout)
        watch_the_clip(debian)
        debian.run("systemctl", "restart", "maskd")

        steps.is_ready_and_tells_its_state(debian)
        steps.its_events_reach_the_broker(debian)
        steps.a_reload_takes_effect_without_a_restart(debian)
        steps.a_bad_reload_changes_nothing_and_is_reported(debian)
        steps.systemd_hears_of_a_reload(debian)

        debian.run(install, "--uninstall", "--purge")
        assert difference(before, files(debian)) == []
