"""Mail: what is sent, and what happens where the server is not there, is slow, or refuses."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.mail_output import MailSettings
from edge.errors import MaskdError
from edge.outputs import mail as mail_module
from edge.outputs.action_queue import ActionQueue
from edge.outputs.mail import Mail
from edge.outputs.mail_message import message_of
from edge.payloads.action import Action
from edge.rules.actions import action_of
from edge.rules.happening import from_transition
from edge.rules.occasions import Firing
from edge.system.deadline import Deadline
from tests.support.acting import Acting, config
from tests.support.certificates import Authority
from tests.support.documents import blocks
from tests.support.mail_server import MailServer
from tests.support.mosquitto import HOST
from tests.support.transitions import passers_by, transition
from tests.support.waiting import wait_until

PASSWORD = "pä$s wörd"
HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
    *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
]


def action(number: int = 1, *, rule: str = "remind", at: float = 1_790_000_000.0, zone: str = "entrance") -> Action:
    happening = from_transition(transition(track=f"t{number}"), at, UUID(int=number))
    made = action_of(Firing(rule, 0.0, at, happening), "desk", "lobby")
    return made.model_copy(update={"zones": (zone,), "text": made.text.replace("entrance", zone)})


class Mailing:
    def __init__(self, folder: Path, settings: MailSettings) -> None:
        self.queue = ActionQueue(folder)
        self.queue.open()
        self.failures: list[BaseException] = []
        self.mail = Mail("outputs.mail.desk", settings, self.queue, on_failure=self.failures.append)

    def add(self, *actions: Action) -> None:
        self.queue.add([("desk", each) for each in actions])
        self.mail.wake()

    @property
    def problems(self) -> str:
        return "; ".join(self.mail.status().problems)

    @property
    def is_done(self) -> bool:
        return self.queue.depth("desk") == 0


def settings_for(server: MailServer, **changes: Any) -> MailSettings:
    values = {
        "host": HOST,
        "port": server.port,
        "tls": "none",
        "sender": "maskd@example.org",
        "recipients": ["desk@example.org"],
    }
    return MailSettings.model_validate(values | changes)


@contextmanager
def mailing(folder: Path, server: MailServer, **changes: Any) -> Iterator[Mailing]:
    it = Mailing(folder, settings_for(server, **changes))
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.05):
            it.mail.tick(time.monotonic())

    ticking = threading.Thread(target=tick)
    ticking.start()
    it.mail.start()
    try:
        yield it
    finally:
        stop.set()
        ticking.join()
        it.mail.stop(Deadline(5))
        it.queue.close()
    assert it.failures == []


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.outputs.keeping_output.FIRST_RETRY_S", 0.3)
    monkeypatch.setattr("edge.outputs.keeping_output.LAST_RETRY_S", 0.3)


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


# --- encryption and login ---


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_mail_is_encrypted_and_the_login_sent_only_to_the_server_that_is_meant(tmp_path: Path, tls: Any) -> None:
    """No mail and no login goes to a mail server without a valid certificate, or over a connection that is not
    encrypted."""
    authority = Authority(tmp_path / "authority")
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    with MailServer(tls, authority.sign("localhost"), ("maskd", PASSWORD)) as server:
        login = {"tls": tls, "host": "localhost", "username": "maskd", "password_file": password}
        with mailing(tmp_path / "a", server, **login) as it:
            it.add(action(1))
            wait_until(lambda: "is not trusted" in it.problems, what="the problem")
            assert (server.logins, server.deliveries) == ([], [])
        with mailing(tmp_path / "b", server, **login, ca_file=authority.cert) as it:
            it.add(action(1))
            wait_until(lambda: it.is_done, what="the message")
            assert server.deliveries[0].was_encrypted
            assert server.logins == [("maskd", PASSWORD)]
    login["ca_file"] = authority.cert
    with MailServer(login=("maskd", PASSWORD)) as plain, mailing(tmp_path / "c", plain, **login, timeout_s=1) as it:
        it.add(action(1))
        wait_until(lambda: it.problems, what="the problem")
        assert re.search("offers no TLS on port|does not begin with TLS on port", it.problems)
        assert (plain.logins, plain.deliveries) == ([], [])


def test_a_login_without_tls_goes_to_this_device_alone(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    login = {"username": "maskd", "password_file": password}
    with MailServer(login=("maskd", PASSWORD)) as server, mailing(tmp_path, server, **login) as it:
        it.add(action(1))
        wait_until(lambda: it.is_done, what="the message")
        assert server.logins == [("maskd", PASSWORD)]


def test_a_refused_login_waits_and_is_named(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("wrong")
    login = {"username": "maskd", "password_file": password}
    with MailServer(login=("maskd", PASSWORD)) as server, mailing(tmp_path, server, **login) as it:
        it.add(action(1))
        wait_until(lambda: "refuses the login of maskd: 535" in it.problems, what="the problem")
        assert "wrong" not in it.problems
        assert it.mail._retry_at > time.monotonic() + 800
        assert len(server.logins) == 1
        it.mail._retry_at = 0.0
        password.write_text(PASSWORD)
        it.mail.wake()
        wait_until(lambda: it.is_done, what="the message")
        assert it.problems == ""


def test_a_password_may_be_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mail-password").write_text(PASSWORD)
    with MailServer(login=("maskd", PASSWORD)) as server, mailing(tmp_path, server, username="maskd") as it:
        it.add(action(1))
        wait_until(lambda: "add the systemd credential mail-password" in it.problems, what="the problem")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        wait_until(lambda: it.is_done, what="the message")


# --- outages and refusals ---


def test_an_outage_costs_nothing(tmp_path: Path) -> None:
    server = MailServer()
    with mailing(tmp_path, server) as it:
        it.add(action(1), action(2))
        wait_until(lambda: "refuses the connection" in it.problems, what="the problem")
        with server:
            wait_until(lambda: it.is_done, what="both messages")
        assert [delivery.message["Message-ID"] for delivery in server.deliveries] == [
            f"<{action(1).id}@example.org>",
            f"<{action(2).id}@example.org>",
        ]
        assert it.problems == ""


def test_what_waits_outlives_the_process(tmp_path: Path) -> None:
    server = MailServer()
    with mailing(tmp_path, server) as it:
        it.add(action(1), action(2))
    with server, mailing(tmp_path, server) as it:
        wait_until(lambda: it.is_done, what="both messages")
        assert len(server.deliveries) == 2


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA"])
def test_what_is_refused_for_now_waits(tmp_path: Path, at: str) -> None:
    with MailServer() as server, mailing(tmp_path, server) as it:
        server.answers[at] = "451 4.7.1 try later"
        it.add(action(1))
        wait_until(lambda: "451 4.7.1 try later" in it.problems, what="the problem")
        assert not it.is_done
        server.answers.clear()
        wait_until(lambda: it.is_done, what="the message")
        assert it.problems == ""


@pytest.mark.parametrize(
    ("at", "answer", "named"),
    [
        ("DATA", "554 5.6.0 \x1b[31mspam", "refuses the message: 554 5.6.0 [31mspam"),
        ("desk@example.org", "550 5.1.1 no such user", "takes no mail for desk@example.org: 550 5.1.1 no such user"),
        ("MAIL", "552 5.3.4 too large", "refuses the message: 552 5.3.4 too large"),
    ],
)
def test_what_is_refused_for_good_holds_up_nothing_and_is_told(
    tmp_path: Path, at: str, answer: str, named: str
) -> None:
    with MailServer() as server, mailing(tmp_path, server) as it:
        server.answers[at] = answer
        it.add(action(1))
        wait_until(lambda: it.mail.given_up == 1, what="the refusal")
        server.answers.clear()
        it.add(action(2))
        wait_until(lambda: it.is_done, what="the second message")
        assert named in it.problems
        assert "\x1b" not in it.problems


@pytest.mark.parametrize(("at", "answer"), [("MAIL", "550 5.7.1 not your sender"), ("RCPT", "554 5.7.1 relay denied")])
def test_a_sender_that_is_not_allowed_waits_for_its_owner(tmp_path: Path, at: str, answer: str) -> None:
    with MailServer() as server, mailing(tmp_path, server) as it:
        server.answers[at] = answer
        it.add(action(1))
        wait_until(lambda: answer in it.problems, what="the problem")
        assert it.mail.given_up == 0
        server.answers.clear()
        wait_until(lambda: it.is_done, what="the message")


def test_a_recipient_who_is_refused_keeps_no_other_from_the_mail(tmp_path: Path) -> None:
    with MailServer() as server, mailing(tmp_path, server, recipients=["gone@example.org", "desk@example.org"]) as it:
        server.answers["gone@example.org"] = "550 5.1.1 no such user"
        it.add(action(1))
        wait_until(lambda: it.is_done, what="the message")
        assert [delivery.recipients for delivery in server.deliveries] == [("desk@example.org",)]
        assert "gone@example.org gets no mail, because 127.0.0.1 refuses it: 550 5.1.1 no such user" in it.problems
        server.answers.clear()
        it.add(action(2))
        wait_until(lambda: it.is_done and not it.problems, what="the second message")


def test_a_recipient_who_is_put_off_gets_it_later_and_no_other_twice(tmp_path: Path) -> None:
    with MailServer() as server, mailing(tmp_path, server, recipients=["full@example.org", "desk@example.org"]) as it:
        server.answers["full@example.org"] = "452 4.2.2 mailbox full"
        it.add(action(1))
        wait_until(lambda: "does not take mail for full@example.org yet: 452" in it.problems, what="the problem")
        server.answers.clear()
        wait_until(lambda: it.is_done, what="the message")
        assert [delivery.recipients for delivery in server.deliveries] == [("desk@example.org",), ("full@example.org",)]
        assert it.problems == ""


def test_a_recipient_who_is_put_off_for_long_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_module, "PATIENCE_S", 0.5)
    with MailServer() as server, mailing(tmp_path, server, recipients=["full@example.org", "desk@example.org"]) as it:
        server.answers["full@example.org"] = "452 4.2.2 mailbox full"
        it.add(action(1), action(2))
        wait_until(lambda: it.is_done, what="both messages")
        assert [delivery.recipients for delivery in server.deliveries] == [("desk@example.org",)] * 2
        assert "full@example.org gets no mail" in it.problems


def test_a_connection_that_the_server_ends_between_two_messages_is_made_again(tmp_path: Path) -> None:
    with MailServer() as server, mailing(tmp_path, server) as it:
        server.forgets_answer = True
        it.add(action(1), action(2))
        wait_until(lambda: it.is_done, what="both messages")
        ids = [delivery.message["Message-ID"] for delivery in server.deliveries]
        assert ids == [f"<{action(number).id}@example.org>" for number in (1, 1, 2)]


def test_a_server_that_does_not_answer_is_given_up_in_time(tmp_path: Path) -> None:
    with MailServer() as server, mailing(tmp_path, server, timeout_s=1) as it:
        server.hangs.set()
        it.add(action(1))
        wait_until(lambda: it.problems, what="the problem")
        server.hangs.clear()
        wait_until(lambda: it.is_done, what="the message")


@contextmanager
def babbling(*lines: bytes, endless: bytes = b"") -> Iterator[int]:
    """A port at which these bytes come, and then the last of them without end."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        for line in lines:
                            connection.sendall(line)
                        while endless:
                            connection.sendall(endless)
                        connection.recv(1)
                    except OSError:
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("lines", "endless"),
    [
        ((b"HTTP/1.1 400 Bad Request\r\n",), b""),
        ((b"220 hello\r\n250-",), b"x" * 1000),
        ((b"220 hello\r\n",), b"250-AUTH PLAIN\r\n" * 100),
        ((b"\xff\xfe\r\n",), b""),
        ((b"+99 x\r\n",), b""),
        ((b"554 go away\r\n",), b""),
        ((b"22",), b""),
    ],
)
def test_nonsense_from_a_mail_server_ends_one_attempt(tmp_path: Path, lines: tuple[bytes, ...], endless: bytes) -> None:
    """Nonsense from a mail server ends one attempt at most, and neither fills the memory nor loses the mail."""
    with babbling(*lines, endless=endless) as port:
        server = MailServer()
        server.port = port
        with mailing(tmp_path, server, timeout_s=1) as it:
            it.add(action(1))
            wait_until(lambda: it.problems, what="the problem")
            assert not it.is_done
            assert re.search("does not speak SMTP|did not answer in time|554 go away", it.problems)


def test_a_stop_does_not_wait_for_the_server(tmp_path: Path) -> None:
    with MailServer() as server, mailing(tmp_path, server, timeout_s=60) as it:
        server.hangs.set()
        it.add(action(1))
        wait_until(lambda: server.connections, what="the connection")
        it.mail.stop(Deadline(20))
        assert not it.mail._worker.is_alive
        assert it.queue.depth("desk") == 1


def test_nothing_leaves_while_it_is_withheld(tmp_path: Path) -> None:
    with MailServer() as server, mailing(tmp_path, server) as it:
        server.hangs.set()
        it.add(action(1))
        wait_until(lambda: server.connections, what="the connection")
        it.mail.withhold(True)
        server.hangs.clear()
        it.mail._work(0.0)
        assert it.problems == ""
        it.mail.withhold(False)
        wait_until(lambda: it.is_done, what="the message")


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
