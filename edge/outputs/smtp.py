"""One connection to a mail server: SMTP (RFC 5321) with TLS (RFC 3207, RFC 8314) and a login (RFC 4954)."""

from __future__ import annotations

import base64
import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from edge.config.mail_output import MailSettings
from edge.errors import MaskdError
from edge.outputs.keeping_output import NotDeliveredError
from edge.outputs.servers import is_without_tls, reason_of, said
from edge.system.credentials import credential
from edge.system.secret_file import read_secret
from edge.system.tls_trust import trusting

CONNECT_S = 10.0
LINE_BYTES = 4096
ANSWER_LINES = 200
"""An answer that is longer ends the connection."""
LOGIN_RETRY_S = 900.0
"""After a refused login: a server that counts them locks no one out for four in an hour."""
_READY, _OK, _GO_ON, _LOGGED_IN = 220, 250, 354, 235
_CLOSES, _NEEDS_LOGIN, _TOO_LARGE = 421, 530, 552


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message; each recipient is in one of the three."""

    accepted: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    """For good; what the server said."""
    postponed: Mapping[str, str] = field(default_factory=dict)
    """For now; what the server said."""


class SmtpConnection(smtplib.SMTP):
    """The bytes. Ended from another thread by interrupt(), also in the middle of a handshake."""

    def __init__(self, host: str, timeout_s: float) -> None:
        # With a name for itself, smtplib asks no name server for one.
        super().__init__(local_hostname="localhost", timeout=timeout_s)
        self._server = host

    def open(self, port: int, timeout_s: float, context: ssl.SSLContext | None) -> None:
        """`context`: of TLS from the start. Raises OSError and SMTPException."""
        self.sock = socket.create_connection((self._server, port), min(timeout_s, CONNECT_S))
        self.sock.settimeout(timeout_s)
        address = self.sock.getsockname()[0].partition("%")[0]
        self.local_hostname = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
        if context is not None:
            self._encrypt(context)
        self.expect(_READY, *self.getreply())
        self.greet()

    def greet(self) -> None:
        if self.ehlo()[0] != _OK:
            self.expect(_OK, *self.helo())

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Nothing that was said before counts after it."""
        if not self.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError
        self.expect(_READY, *self.docmd("STARTTLS"))
        self._encrypt(context)
        self.file = None
        self.esmtp_features = {}
        self.does_esmtp = False
        self.greet()

    def interrupt(self) -> None:
        if (connected := self.sock) is not None:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def getreply(self) -> tuple[int, bytes]:
        """As smtplib's own, but an answer has an end."""
        if self.file is None:
            assert self.sock is not None
            self.file = self.sock.makefile("rb")
        answer = []
        for _ in range(ANSWER_LINES):
            line = self.file.readline(LINE_BYTES + 1)
            if not line.endswith(b"\n") or not line[:3].isdigit():
                raise smtplib.SMTPServerDisconnected
            answer.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(answer)
        raise smtplib.SMTPServerDisconnected

    @staticmethod
    def expect(wanted: int, code: int, answer: bytes) -> None:
        if code != wanted:
            raise smtplib.SMTPResponseException(code, answer)

    def _encrypt(self, context: ssl.SSLContext) -> None:
        assert self.sock is not None
        encrypted = context.wrap_socket(self.sock, server_hostname=self._server, do_handshake_on_connect=False)
        self.sock = encrypted
        encrypted.do_handshake()


class MailSession:
    """The conversation. Everything but interrupt() belongs to one thread; what fails raises NotDeliveredError."""

    def __init__(self, settings: MailSettings, setting: str, timeout_s: float) -> None:
        """`setting`: of the output, in messages."""
        self._settings = settings
        self._setting = setting
        self._timeout_s = timeout_s
        self._smtp = SmtpConnection(settings.host, timeout_s)

    def open(self) -> None:
        settings = self._settings
        try:
            context = None if settings.tls == "none" else trusting(settings.ca_file, f"correct {self._setting}.ca_file")
            password = None if settings.username is None else self._password()
        except MaskdError as error:
            raise NotDeliveredError(str(error)) from None
        try:
            self._smtp.open(settings.effective_port, self._timeout_s, context if settings.tls == "implicit" else None)
            if settings.tls == "starttls" and context is not None:
                self._smtp.encrypt(context)
            if settings.username is not None and password is not None:
                self._log_in(settings.username, password)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self.close()
            raise self._failure(error) from None
        except NotDeliveredError:
            self.close()
            raise

    @property
    def is_alive(self) -> bool:
        """Asks the server."""
        try:
            return self._smtp.noop()[0] == _OK
        except (OSError, smtplib.SMTPException):
            return False

    def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Outcome:
        """Where no recipient is accepted, nothing is sent."""
        try:
            outcome = self._offer(sender, recipients, len(message))
            if outcome.accepted:
                self._hand_over(message)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise self._failure(error) from None
        return outcome

    def try_out(self, sender: str, recipients: Sequence[str]) -> Outcome:
        """Whether a message would be taken; none is sent."""
        try:
            outcome = self._offer(sender, recipients, 0)
            self._smtp.rset()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise self._failure(error) from None
        return outcome

    def close(self) -> None:
        """Says goodbye, and waits for no answer."""
        with suppress(OSError, smtplib.SMTPException):
            if self._smtp.sock is not None:
                self._smtp.putcmd("QUIT")
        with suppress(OSError):
            self._smtp.close()

    def interrupt(self) -> None:
        """From any thread: ends whatever waits for the server."""
        self._smtp.interrupt()

    def _offer(self, sender: str, recipients: Sequence[str], size: int) -> Outcome:
        options = [f"SIZE={size}"] if size and self._smtp.has_extn("size") else []
        code, answer = self._smtp.mail(sender, options)
        if code != _OK:
            raise self._refusal(code, answer, f"; check sender ({sender}) and the login", is_final=code == _TOO_LARGE)
        accepted: list[str] = []
        refused: dict[str, str] = {}
        postponed: dict[str, str] = {}
        needs_login = False
        for recipient in recipients:
            code, answer = self._smtp.rcpt(recipient)
            if code == _CLOSES:
                raise smtplib.SMTPResponseException(code, answer)
            if code // 100 == 2:
                accepted.append(recipient)
            elif code // 100 == 4:
                postponed[recipient] = _words(code, answer)
            else:
                refused[recipient] = _words(code, answer)
                needs_login = needs_login or code == _NEEDS_LOGIN or answer.startswith(b"5.7.")
        if not accepted:
            self._smtp.rset()
        if needs_login and not accepted and not postponed:
            recipient, reason = next(iter(refused.items()))
            raise NotDeliveredError(
                f"{self._host} takes no mail for {recipient} from this device: {reason}; check username, password and "
                "sender"
            )
        return Outcome(accepted, refused, postponed)

    def _hand_over(self, message: bytes) -> None:
        try:
            code, answer = self._smtp.data(message)
        except smtplib.SMTPDataError as error:
            code, answer = error.smtp_code, _bytes(error.smtp_error)
        if code // 100 != 2:
            raise self._refusal(code, answer, "", is_final=code // 100 == 5)

    def _refusal(self, code: int, answer: bytes, remedy: str, *, is_final: bool) -> NotDeliveredError:
        if code // 100 == 4:
            return NotDeliveredError(f"{self._host} does not take the message yet: {_words(code, answer)}")
        return NotDeliveredError(f"{self._host} refuses the message: {_words(code, answer)}{remedy}", is_final=is_final)

    def _log_in(self, username: str, password: str) -> None:
        offered = self._smtp.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            code, answer = self._smtp.docmd("AUTH", "PLAIN " + _base64(f"\0{username}\0{password}"))
        elif "LOGIN" in offered:
            self._smtp.docmd("AUTH", "LOGIN")
            self._smtp.docmd(_base64(username))
            code, answer = self._smtp.docmd(_base64(password))
        else:
            raise NotDeliveredError(
                f"{self._host} offers no login that maskd knows (PLAIN, LOGIN); check host, port and tls, or remove "
                "username"
            )
        if code // 100 == 4:
            raise NotDeliveredError(f"{self._host} takes no login for now: {_words(code, answer)}")
        if code != _LOGGED_IN:
            raise NotDeliveredError(
                f"{self._host} refuses the login of {username}: {_words(code, answer)}; correct the password",
                retry_after_s=LOGIN_RETRY_S,
            )

    def _password(self) -> str:
        path = self._settings.password_file or credential("mail-password")
        if path is None:
            raise MaskdError(
                f"there is no password for {self._settings.username}; set {self._setting}.password_file, or add the "
                "systemd credential mail-password"
            )
        return read_secret(path, "the mail server's", "password", f"{self._setting}.password_file")

    def _failure(self, error: Exception) -> NotDeliveredError:
        settings, host = self._settings, self._host
        match error:
            case smtplib.SMTPNotSupportedError():
                reason = (
                    f"{host} offers no TLS on port {settings.effective_port}, so nothing was sent; correct port or tls"
                )
            case smtplib.SMTPResponseException():
                reason = f"{host} answers {_words(error.smtp_code, _bytes(error.smtp_error))}"
            case ssl.SSLError() if is_without_tls(error):
                reason = (
                    f"{host} does not begin with TLS on port {settings.effective_port}; set tls to starttls, or "
                    "correct the port"
                )
            case TimeoutError() if settings.effective_port == 465 and settings.tls != "implicit":
                reason = f"{host} did not answer in time; on port 465, set tls to implicit"
            case _:
                ended = f"{host} ended the connection, or does not speak SMTP; check host and port"
                reason = (None if isinstance(error, smtplib.SMTPException) else reason_of(error, host)) or ended
        return NotDeliveredError(reason)

    @property
    def _host(self) -> str:
        return self._settings.host


def _words(code: int, answer: bytes) -> str:
    return f"{code} {said(answer)}".strip()


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
