"""Mail: what is sent, to whom, and when."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import MaskdError
from edge.outputs import mail as mail_module
from edge.outputs.mail_message import message_of
from tests.support.acting import Acting, config
from tests.support.certificates import Authority
from tests.support.documents import blocks
from tests.support.mail_server import MailServer
from tests.support.mailing import PASSWORD, Mailing, action, mailing, settings_for
from tests.support.mosquitto import HOST
from tests.support.transitions import passers_by
from tests.support.waiting import wait_until

HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
    *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
]


# --- what is sent ---


def test_an_action_becomes_one_message(tmp_path: Path) -> None:
    with MailServer() as server, mailing(tmp_path, server, recipients=["desk@example.org", "night@example.org"]) as it:
        it.add(action(1), action(2))
        wait_until(lambda: it.is_done, what="two messages")
        first, second = server.deliveries
        assert first.sender == "maskd@example.org"
        assert first.recipients == ("desk@example.org", "night@example.org")
        assert first.message["From"] == "maskd lobby <maskd@example.org>"
        assert first.message["To"] == "desk@example.org, night@example.org"
        assert first.message["Subject"] == "lobby: door (entrance): a person without a mask, for 3 s"
        assert first.message["Message-ID"] == f"<{action(1).id}@example.org>"
        assert first.message["Auto-Submitted"] == "auto-generated"
        when = time.strftime("%a %d %b %Y, %H:%M:%S", time.localtime(1_790_000_000))
        assert first.text == (
            f"{when}  door (entrance): a person without a mask, for 3 s\n\n"
            "-- \nSent by the rule remind of maskd on lobby.\n"
        )
        assert second.message["Message-ID"] == f"<{action(2).id}@example.org>"
        assert server.connections == 1
        assert it.problems == ""


def test_subject_and_text_are_templates(tmp_path: Path) -> None:
    templates = {"subject": "{camera}: {status}", "text": "At {camera} ({zones}):\n{text}\n.\n{people}."}
    with MailServer() as server, mailing(tmp_path, server, **templates) as it:
        it.add(action(1, zone="höf"))
        wait_until(lambda: it.is_done, what="the message")
        delivery = server.deliveries[0]
        assert delivery.message["Subject"] == "door: without_mask"
        assert delivery.text == "At door (höf):\ndoor (höf): a person without a mask, for 3 s\n.\n.\n"
        assert delivery.raw.isascii()


@pytest.mark.parametrize(
    "zone",
    [
        "a\r\nBcc: thief@example.org",
        "a\nSubject: b",
        "\r\n.\r\nMAIL FROM:<x@y>",
        "\u2028x\x0b\x0c\x85y\u202e",
        "=?utf-8?q?=0ABcc:_x?=",
        "ä" * 3000,
        "\ud800",
        ", <x@y>;",
    ],
)
def test_no_name_reaches_a_header_or_another_message(tmp_path: Path, zone: str) -> None:
    """No name of a zone or label, and no template, adds a header or a recipient to a mail."""
    hostile = action(1).model_copy(update={"zones": (zone,), "text": f"door: {zone}"})
    with MailServer() as server:
        templates = settings_for(server, subject="{zones}\n{text}", text="{zones}\n{text}\r\n.\r\n")
        it = Mailing(tmp_path, templates)
        it.mail.deliver([hostile])
        it.mail.rest()
        it.queue.close()
        (delivery,) = server.deliveries
        assert sorted(delivery.message.keys()) == sorted(HEADERS)
        assert delivery.recipients == ("desk@example.org",)
        assert delivery.raw.isascii()
        assert re.search(rb"(?<!\r)\n|\r(?!\n)", delivery.raw) is None
        assert len(delivery.message["Subject"]) <= 200


@settings(max_examples=30)
@given(st.text(max_size=300), st.text('=?utf-8QB\r\n:_A0 <>@,;.\\"', max_size=100))
def test_whatever_a_name_holds_the_headers_stay_as_they_are(one: str, other: str) -> None:
    hostile = action(1).model_copy(update={"zones": (one,), "text": other})
    templates = settings_for(MailServer(), subject="{zones}{text}", text="{zones}\n{text}")
    raw = message_of([hostile], templates, datetime.now(timezone.utc)).as_bytes()
    parsed = message_from_bytes(raw, policy=policy.default)
    assert len(parsed.keys()) == len(HEADERS)
    assert raw.isascii()


# --- several actions in one message ---


def test_a_digest_is_one_message_for_each_rule_after_its_interval(tmp_path: Path) -> None:
    now = time.time()
    with MailServer() as server, mailing(tmp_path, server, digest_min=5) as it:
        it.add(*(action(number, at=now) for number in range(1, 4)))
        it.add(action(4, rule="crowd", at=now))
        wait_until(lambda: it.mail.wait_s() > 0, what="the interval")
        it.mail._work(time.monotonic())
        assert server.deliveries == []
    with MailServer() as server, mailing(tmp_path / "late", server, digest_min=5) as it:
        it.add(*(action(number, at=now - 301) for number in range(1, 4)), action(4, rule="crowd", at=now - 301))
        it.add(action(5, at=now))
        wait_until(lambda: it.is_done, what="two messages")
        assert [subject.partition(": ")[2].partition(" s")[2] for subject in server.subjects()] == [" (and 3 more)", ""]
        assert server.deliveries[0].text.count("a person without a mask") == 4
        assert len({delivery.message["Message-ID"] for delivery in server.deliveries}) == 2


def test_a_clock_that_was_set_back_keeps_no_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MailServer() as server, mailing(tmp_path, server, digest_min=5) as it:
        it.queue.add([("desk", action(1, at=time.time() + 86_400))])
        assert 290 < it.mail.wait_s() <= 300


def test_a_digest_that_is_tried_again_is_the_same_message(tmp_path: Path) -> None:
    old = time.time() - 3600
    with MailServer() as server, mailing(tmp_path, server, digest_min=5) as it:
        server.forgets_answer = True
        it.add(action(1, at=old), action(2, at=old))
        wait_until(lambda: server.deliveries, what="the first attempt")
        it.add(action(3, at=old))
        wait_until(lambda: it.is_done, what="all of it")
        first, again, rest = server.deliveries
        assert first.message["Message-ID"] == again.message["Message-ID"] != rest.message["Message-ID"]
        assert first.text == again.text


def test_many_actions_are_sent_without_waiting_for_the_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "DIGEST_LIMIT", 3)
    now = time.time()
    with MailServer() as server, mailing(tmp_path, server, digest_min=5) as it:
        it.add(*(action(number, at=now) for number in range(1, 5)))
        wait_until(lambda: server.deliveries, what="the message")
        wait_until(lambda: it.queue.depth("desk") == 1, what="the rest waiting")
        assert server.deliveries[0].text.count("without a mask") == 3


# --- trying it out ---


def test_a_trial_sends_nothing(tmp_path: Path) -> None:
    server = MailServer()
    with server, mailing(tmp_path, server, recipients=["a@example.org", "b@example.org"]) as it:
        assert it.mail.try_out() == f"{HOST} accepts all 2 recipients; nothing was sent"
        server.answers["b@example.org"] = "550 no such user"
        with pytest.raises(MaskdError, match=r"outputs.mail.desk: .* takes no mail for b@example.org: 550"):
            it.mail.try_out()
        assert server.deliveries == []
    with mailing(tmp_path, server) as it, pytest.raises(MaskdError, match="refuses the connection"):
        it.mail.try_out()


def test_the_example_of_the_page_sends_mail(tmp_path: Path) -> None:
    documented = next(text for text in blocks("outputs.md", "yaml") if "mail:" in text)
    authority = Authority(tmp_path / "authority")
    (tmp_path / "password").write_text(PASSWORD)
    with MailServer("starttls", authority.sign("localhost"), ("door@example.org", PASSWORD)) as server:
        values = yaml.safe_load(documented)
        values["outputs"]["mail"]["desk"] |= {
            "host": "localhost",
            "port": server.port,
            "ca_file": str(authority.cert),
            "password_file": str(tmp_path / "password"),
            "digest_min": 0.001,
        }
        it = Acting(config(tmp_path, "", **values))
        it.start()
        try:
            it.commit(passers_by(3))
            wait_until(lambda: server.deliveries and it.queue.depth("desk") == 0, what="the mail")
        finally:
            it.stop()
        assert server.deliveries[0].recipients == ("facility@example.org", "safety@example.org")
        assert "door (entrance): a person without a mask" in server.deliveries[0].text
