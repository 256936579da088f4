"""A real mail server: keeps every message, and answers as the test says."""

from __future__ import annotations

import asyncio
import ssl
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Literal, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.certificates import Pair
from tests.support.mosquitto import HOST, free_port


@dataclass(frozen=True, slots=True)
class Delivery:
    recipients: tuple[str, ...]
    sender: str
    raw: bytes
    was_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)

    @property
    def text(self) -> str:
        return str(self.message.get_content()).replace("\r\n", "\n")


class MailServer:
    """Listens while it is entered, on the same port each time."""

    def __init__(
        self,
        tls: Literal["starttls", "implicit", "none"] = "none",
        pair: Pair | None = None,
        login: tuple[str, str] | None = None,
    ) -> None:
        """`login`: the user name and password without which it takes nothing."""
        self.port = free_port()
        self.deliveries: list[Delivery] = []
        self.connections = 0
        self.logins: list[tuple[str, str]] = []
        """Tried, right or wrong."""
        self.answers: dict[str, str] = {}
        """By MAIL, RCPT, DATA, or a recipient's address: what it answers in place of accepting."""
        self.hangs = threading.Event()
        """While it is set, no message is answered."""
        self.forgets_answer = False
        """It takes the next message, and ends the connection before it says so."""
        self._tls, self._pair, self._login = tls, pair, login
        self._controller: Controller | None = None

    def __enter__(self) -> MailServer:
        context = None
        if self._pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._pair.cert, self._pair.key)
        options: dict[str, Any] = {"auth_require_tls": self._tls == "starttls"}
        if self._tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        if self._login is not None:
            options["authenticator"] = self._authenticate
        self._controller = Controller(
            self, hostname=HOST, port=self.port, ssl_context=context if self._tls == "implicit" else None, **options
        )
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hangs.clear()
        if self._controller is not None:
            self._controller.stop()

    def subjects(self) -> list[str]:
        return [delivery.message["Subject"] for delivery in self.deliveries]

    # What follows is called by aiosmtpd.

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self._login is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if (answer := self.answers.get("MAIL")) is not None:
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.answers.get("RCPT") or self.answers.get(address)
        if answer is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        while self.hangs.is_set():
            await asyncio.sleep(0.01)
        if (answer := self.answers.get("DATA")) is not None:
            return answer
        content, sender = cast("bytes", envelope.original_content), envelope.mail_from or ""
        is_encrypted = server.transport.get_extra_info("ssl_object") is not None
        self.deliveries.append(Delivery(tuple(envelope.rcpt_tos), sender, content, is_encrypted))
        if self.forgets_answer:
            self.forgets_answer = False
            server.transport.abort()
        return "250 OK"

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _kind: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        tried = data.login.decode(), data.password.decode()
        self.logins.append(tried)
        return AuthResult(success=tried == self._login, handled=False)
