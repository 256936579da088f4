"""The service as it runs: events, the sandbox around them, and what happens after faults."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import wait_until
from tests.system import steps
from tests.system.conftest import carry, watch_the_clip
from tests.system.debian import Debian

pytestmark = pytest.mark.timeout(900)

PROBE = Path(__file__).with_name("probe.py")
DROP_IN = "/etc/systemd/system/maskd.service.d/test.conf"


@pytest.fixture(scope="module")
def installed(debian: Debian, bundle: Path) -> Debian:
    """maskd and a broker, installed on a bare Debian by the one command, with a clip as its camera."""
    said = debian.run(f"{carry(debian, bundle)}/install.sh", "--with-broker", timeout=400)
    assert "mosquitto_sub" in said.stdout
    assert "FAIL" not in said.stdout, said.stdout
    watch_the_clip(debian)
    debian.run("systemctl", "restart", "maskd")
    return debian


@pytest.fixture
def drop_in(installed: Debian) -> Iterator[Path]:
    """A file with which a test changes the unit; gone afterwards."""
    path = installed.inside(DROP_IN)
    path.parent.mkdir(exist_ok=True)
    yield path
    path.unlink()
    path.parent.rmdir()
    installed.run("systemctl", "daemon-reload")
    installed.run("systemctl", "restart", "maskd")


def test_it_is_ready_and_tells_its_state(installed: Debian) -> None:
    steps.is_ready_and_tells_its_state(installed)


def test_events_reach_the_broker(installed: Debian) -> None:
    steps.its_events_reach_the_broker(installed)


def test_nobody_gets_in_without_the_login(installed: Debian) -> None:
    anonymous = installed.sh("mosquitto_sub -t '#' -C 1 -W 5", check=False)
    assert anonymous.returncode != 0
    assert "not authorised" in anonymous.stderr.lower()
    assert installed.sh("runuser -u nobody -- cat /etc/credstore/maskd.mqtt-password", check=False).returncode != 0
    assert installed.sh("runuser -u nobody -- cat /etc/maskd/config.yaml", check=False).returncode != 0


def test_a_check_typed_by_root_has_the_services_login(installed: Debian) -> None:
    """And so has a purge, which is refused only because the device is there."""
    by_root = installed.run("maskd", "check", "-c", steps.CONFIG, check=False).stdout
    assert "accepts maskd as maskd" in by_root
    assert "commands are on" in by_root
    purge = installed.run("maskd", "purge", "-c", steps.CONFIG, check=False)
    assert "lobby is online at localhost:1883" in purge.stderr
    assert installed.run("find", "/var/lib/maskd", "!", "-user", "maskd").stdout == "", "files that maskd cannot write"
    by_maskd = installed.run("runuser", "-u", "maskd", "--", "maskd", "check", "-c", steps.CONFIG, check=False).stdout
    assert "or run this as root, who may read the service's login in /etc/credstore" in by_maskd


def probed(installed: Debian, drop_in: Path) -> dict[str, Any]:
    """What probe.py finds where the service runs."""
    installed.inside("/srv/probe.py").write_bytes(PROBE.read_bytes())
    installed.sh("echo > /srv/of-group-video && chgrp video /srv/of-group-video && chmod 660 /srv/of-group-video")
    # Numbers without a driver: what passes the unit's list fails by that, what does not pass fails by EPERM.
    for name, number in {
        "video9": "81 9",
        "renderD9": "226 137",
        "usb9": "189 9",
        "sound9": "116 9",
        "forbidden": "10 230",
    }.items():
        installed.sh(f"test -e /dev/{name} || mknod -m 666 /dev/{name} c {number}")
    drop_in.write_text(
        "[Service]\nReadWritePaths=/srv\nExecStartPre=/opt/maskd/current/bin/python /srv/probe.py /run/maskd/probed\n"
        "RuntimeDirectoryPreserve=yes\n"
    )
    installed.run("systemctl", "daemon-reload")
    installed.run("systemctl", "restart", "maskd")
    found: dict[str, Any] = json.loads(installed.run("cat", "/run/maskd/probed").stdout)
    return found


def test_the_sandbox_holds_and_lets_pass_what_it_must(installed: Debian, drop_in: Path) -> None:
    found = probed(installed, drop_in)
    allowed = {name: what for name, what in found["must work"].items() if what != "works"}
    assert allowed == {}
    refused = {name: what for name, what in found["must not"].items() if what == "works"}
    assert refused == {}


def test_the_drop_in_for_sound_lets_pass_sound_cards_alone(installed: Debian, bundle: Path, drop_in: Path) -> None:
    sound = installed.inside(DROP_IN).with_name("maskd-sound.conf")
    sound.write_bytes((bundle / sound.name).read_bytes())
    try:
        found = probed(installed, drop_in)
    finally:
        sound.unlink()
    assert {name for name, what in found["must not"].items() if what == "works"} == {"opening a sound card"}
    assert set(found["must work"].values()) == {"works"}


def test_gpio_is_allowed_and_forbidden_by_one_command_each(installed: Debian, bundle: Path) -> None:
    allow = f"/root/{bundle.name}/allow-devices.sh"
    refused = installed.run(allow, "gpio", check=False)
    assert refused.returncode == 1
    assert "there is no group gpio here" in refused.stderr
    assert not installed.inside(DROP_IN).parent.exists()
    installed.run("groupadd", "--system", "gpio")
    group = installed.sh("getent group gpio | cut -d : -f 3").stdout.strip()
    installed.run(allow, "gpio")
    wait_until(installed.is_active, what="maskd with GPIO")
    assert installed.unit("DeviceAllow").count("char-gpiochip rw") == 1
    pid = installed.unit("MainPID")
    assert installed.run("readlink", f"/proc/{pid}/cwd").stdout.strip() == "/run/maskd"
    assert group in installed.run("grep", "Groups:", f"/proc/{pid}/status").stdout.split()
    installed.run(allow, "--remove", "gpio")
    wait_until(installed.is_active, what="maskd without GPIO")
    assert "gpiochip" not in installed.unit("DeviceAllow")
    assert not installed.inside(DROP_IN).parent.exists()


def test_a_killed_daemon_comes_back_and_counts_on(installed: Debian) -> None:
    before = installed.unit("InvocationID")
    (last,) = installed.messages("maskd/lobby/door/event", count=1)
    installed.signal_maskd(signal.SIGKILL)
    wait_until(
        lambda: installed.is_active() and installed.unit("InvocationID") != before,
        timeout=30,
        what="maskd after a kill",
    )
    (first,) = installed.messages("maskd/lobby/door/event", count=1)
    assert first["seq"] > last["seq"]


def test_a_daemon_that_hangs_is_started_anew(installed: Debian) -> None:
    before, pid = installed.unit("InvocationID"), installed.unit("MainPID")
    installed.signal_maskd(signal.SIGSTOP)
    wait_until(
        lambda: installed.is_active() and installed.unit("InvocationID") != before,
        timeout=70,
        what="a watchdog's restart",
    )
    assert "Watchdog timeout" in installed.log()
    assert installed.sh(f"kill -0 {pid}", check=False).returncode != 0
    installed.messages("maskd/lobby/door/event", count=1)


def test_starting_is_never_given_up(installed: Debian, drop_in: Path) -> None:
    config = installed.inside("/etc/maskd/config.yaml")
    good = config.read_text()
    drop_in.write_text("[Service]\nRestartSec=100ms\nRestartSteps=0\n")  # the wait alone is shortened
    installed.run("systemctl", "daemon-reload")
    config.write_text(good.replace("source:", "sauce:"))
    installed.run("systemctl", "restart", "maskd", check=False)
    # By default systemd gives up after five starts within ten seconds.
    wait_until(lambda: int(installed.unit("NRestarts")) >= 8, what="the eighth attempt")
    assert "sauce" in installed.log()
    config.write_text(good)
    wait_until(installed.is_active, what="maskd with its configuration mended, and nothing else done")


def test_a_reload_takes_effect_without_a_restart(installed: Debian) -> None:
    steps.a_reload_takes_effect_without_a_restart(installed)


def test_a_bad_reload_changes_nothing_and_is_reported(installed: Debian) -> None:
    steps.a_bad_reload_changes_nothing_and_is_reported(installed)


def test_systemd_hears_of_a_reload(installed: Debian) -> None:
    steps.systemd_hears_of_a_reload(installed)
