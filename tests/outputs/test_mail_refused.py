"""Mail where the server is not there, is slow, or refuses, and what it has to prove before it gets any."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.outputs import mail as mail_module
from edge.system.deadline import Deadline
from tests.support.certificates import Authority
from tests.support.mail_server import MailServer
from tests.support.mailing import PASSWORD, action, mailing
from tests.support.mosquitto import HOST
from tests.support.waiting import wait_until

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
        # Which one depends on who speaks first.
        no_tls = "offers no TLS on port|does not begin with TLS on port|ended the connection before TLS was set up"
        wait_until(lambda: re.search(no_tls, it.problems), what="the problem")
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
        wait_until(lambda: it.problems == "", what="the end of the problem")


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
        wait_until(lambda: it.problems == "", what="the end of the problem")


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
        wait_until(lambda: it.problems == "", what="the end of the problem")


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
        wait_until(lambda: it.problems == "", what="the end of the problem")


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
