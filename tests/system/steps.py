"""What the long form and the short one have in common: an installed maskd that watches the clip, step by step."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.waiting import wait_until
from tests.system.debian import Debian

CONFIG = "/etc/maskd/config.yaml"
TAKEN_OVER = f"{CONFIG} was reloaded and is in effect"


def is_ready_and_tells_its_state(debian: Debian) -> None:
    assert debian.unit("ActiveState") == "active"
    assert debian.unit("UnitFileState") == "enabled"
    assert debian.unit("Type") == "notify"
    assert debian.unit("User") == "maskd"
    assert debian.unit("WatchdogUSec") == "30s"
    assert debian.unit("CanReload") == "yes"
    wait_until(
        lambda: re.fullmatch(r"door \d+\.\d fps; broker connected; outbox \d+", debian.unit("StatusText")),
        timeout=40,
        what="a rate in the status",
    )


def its_events_reach_the_broker(debian: Debian) -> None:
    events = debian.messages("maskd/lobby/door/event", count=5)
    assert {event["schema"] for event in events} == {"maskd.event/1"}
    assert {"with_mask", "without_mask"} <= {event["status"] for event in events}
    assert [event["seq"] for event in events] == list(range(events[0]["seq"], events[0]["seq"] + 5))


def a_reload_takes_effect_without_a_restart(debian: Debian) -> None:
    run, taken_over = debian.unit("InvocationID"), debian.log().count(TAKEN_OVER)
    with added_to_the_configuration(
        debian, "    zones:\n      everywhere: {corners: [[0, 0], [1, 0], [1, 1], [0, 1]]}\n"
    ):
        debian.run("systemctl", "reload", "maskd")
        wait_until(lambda: debian.log().count(TAKEN_OVER) == taken_over + 1, what="the reload")
        wait_until(
            lambda: debian.messages("maskd/lobby/door/event", count=1)[0]["zones"] == ["everywhere"],
            timeout=60,
            what="events in the new zone",
        )
    debian.run("systemctl", "reload", "maskd")
    wait_until(debian.is_active, what="the end of the reload")
    assert debian.unit("InvocationID") == run


def a_bad_reload_changes_nothing_and_is_reported(debian: Debian) -> None:
    run = debian.unit("InvocationID")
    with added_to_the_configuration(debian, "    zonnes: {}\n"):
        debian.run("systemctl", "reload", "maskd")
        wait_until(lambda: "zonnes" in debian.log(), what="a report of the bad setting")
        wait_until(
            lambda: debian.unit("StatusText").endswith(f"; {CONFIG} has an error and is not in effect"),
            timeout=10,
            what="the mistake in the status",
        )
        assert debian.messages("maskd/lobby/door/event", count=1)[0]["zones"] == []
    debian.run("systemctl", "reload", "maskd")
    is_ready_and_tells_its_state(debian)
    assert debian.unit("InvocationID") == run


@contextmanager
def added_to_the_configuration(debian: Debian, lines: str) -> Iterator[None]:
    config = debian.inside(CONFIG)
    before = config.read_text()
    config.write_text(before + lines)
    try:
        yield
    finally:
        config.write_text(before)


def systemd_hears_of_a_reload(debian: Debian) -> None:
    """Of one that it has not asked for: the unit changes its state, there and back, by maskd's words alone."""
    taken_over, change = debian.log().count(TAKEN_OVER), debian.unit("StateChangeTimestampMonotonic")
    debian.signal_maskd(signal.SIGHUP)
    wait_until(lambda: debian.log().count(TAKEN_OVER) > taken_over, what="the reload")
    wait_until(debian.is_active, what="the end of the reload")
    assert debian.unit("StateChangeTimestampMonotonic") != change


SIGN_IN = """
import http.client, ssl, sys, urllib.parse
trusted = ssl.create_default_context(cafile="/var/lib/maskd/page.pem")
page = http.client.HTTPSConnection("127.0.0.1", 8470, context=trusted)
form = urllib.parse.urlencode({"password": sys.argv[1]})
page.request("POST", "/sign-in", form, {"Origin": "https://127.0.0.1:8470"})
print(page.getresponse().status)
"""


def the_page_is_open_to_who_has_the_password(debian: Debian, said: str) -> None:
    """`said`: by the installer. The page runs inside the sandbox, with a certificate that maskd has made there."""
    wait_until(lambda: "the page is at https://<address of this device>:8470/" in debian.log(), what="the page")
    assert debian.sh("stat -c %U:%a /var/lib/maskd/logins.json /var/lib/maskd/page.pem").stdout == "maskd:600\n" * 2
    shown = re.search(r"password, shown only now: +(\S{19})\n", said)
    assert shown is not None
    assert ".local:8470/" in said
    python = "/opt/maskd/current/bin/python"
    assert debian.run(python, "-c", SIGN_IN, "wrong password").stdout == "403\n"
    assert debian.run(python, "-c", SIGN_IN, shown[1]).stdout == "303\n"
    debian.sh(f"echo 'correct horse' | maskd password -c {CONFIG}")
    assert debian.run(python, "-c", SIGN_IN, shown[1]).stdout == "403\n"
    assert debian.run(python, "-c", SIGN_IN, "correct horse").stdout == "303\n"
