"""The settings of mail: which server takes it, who gets it, and what it says."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from edge.config.fields import HomePath, Settings, Text, contradiction
from edge.config.template import checked_template
from edge.config.traits import LIVE

PORTS = {"starttls": 587, "implicit": 465, "none": 25}
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{3,254}}$){_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")


def _mail_address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        problem = "it must be a mail address alone, in ASCII characters, such as door@example.org"
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return text


def _mail_host(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        is_address = False
    else:
        is_address = True
    if not is_address and not _HOST.fullmatch(text):
        problem = (
            "it must be the mail server's name or address alone, such as mail.example.org; its port goes into port"
        )
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return text


MailAddress = Annotated[str, AfterValidator(_mail_address)]
MailTemplate = Annotated[Text, AfterValidator(checked_template)]


class MailSettings(Settings):
    host: Annotated[Text, AfterValidator(_mail_host), LIVE]
    """The mail server (SMTP): its host name or address."""
    tls: Annotated[Literal["starttls", "implicit", "none"], LIVE] = "starttls"
    """starttls: begins unencrypted and switches to TLS before anything is told; implicit: TLS from the start; none:
    unencrypted, without a login unless the server is this device."""
    port: Annotated[int | None, Field(ge=1, le=65535), LIVE] = None
    """The server's TCP port; null: 587 with starttls, 465 with implicit, 25 with none."""
    ca_file: Annotated[HomePath | None, LIVE] = None
    """PEM file of the authority that signed the server's certificate; null: the system's authorities."""
    username: Annotated[Text | None, LIVE] = None
    """User name at the server; null: no login."""
    password_file: Annotated[HomePath | None, LIVE] = None
    """A file that holds only the password; null: the systemd credential `mail-password`."""
    sender: Annotated[MailAddress, LIVE]
    """The address that mail comes from; the server says which it allows."""
    recipients: Annotated[list[MailAddress], Field(min_length=1, max_length=50), LIVE]
    """The addresses that get it; each sees the others."""
    subject: Annotated[MailTemplate, LIVE] = "{device}: {text}"
    """The subject, with placeholders; of several actions in one message, it is about the first."""
    text: Annotated[MailTemplate | None, LIVE] = None
    """The text for each action, with placeholders; null: a line with the local time and what happened."""
    digest_min: Annotated[float | None, Field(gt=0, le=10_080), LIVE] = None
    """Minutes in which the actions of a rule are gathered for one message, which comes that long after the first of
    them; null: a message for each action, at once."""
    timeout_s: Annotated[float, Field(ge=1, le=300), LIVE] = 60
    """Seconds that the server has to take a message before maskd tries again later."""
    max_waiting: Annotated[int, Field(ge=1, le=1_000_000), LIVE] = 10_000
    """Actions that wait for an absent server; past this, the oldest are dropped and counted."""

    @model_validator(mode="after")
    def _login_is_complete_and_kept(self) -> MailSettings:
        if self.password_file is not None and self.username is None:
            raise contradiction("password_file", "a password needs a user name; set username as well")
        if self.tls == "none" and self.username is not None and not self.is_on_this_device:
            raise contradiction("tls", "it would send the login unencrypted; set it to starttls or implicit")
        if self.tls == "none" and self.ca_file is not None:
            raise contradiction("ca_file", "there is no certificate without TLS; remove it, or set tls to starttls")
        return self

    @property
    def is_on_this_device(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower().rstrip(".") == "localhost"

    @property
    def effective_port(self) -> int:
        return PORTS[self.tls] if self.port is None else self.port
