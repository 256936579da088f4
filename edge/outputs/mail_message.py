"""What a mail says about one action, or about several."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from uuid import UUID, uuid5

from edge.config.mail_output import MailSettings
from edge.config.template import filled
from edge.payloads.action import Action
from edge.payloads.payload import parse_timestamp

_SUBJECT_LENGTH = 200


def message_id(actions: Sequence[Action], sender: str) -> str:
    """The same for the same actions, so that a repetition is known by it, and another for any others, so that a server
    which drops repetitions drops nothing else."""
    first, *others = [action.id for action in actions]
    id_: UUID = uuid5(first, " ".join(map(str, others))) if others else first
    return f"<{id_}@{sender.rpartition('@')[2]}>"


def message_of(actions: Sequence[Action], settings: MailSettings, now: datetime) -> EmailMessage:
    """`now` has a time zone."""
    first, more = actions[0], len(actions) - 1
    subject = in_one_line(filled(settings.subject, _values(first)))[:_SUBJECT_LENGTH]
    message = envelope(f"{subject} (and {more} more)" if more else subject, settings, first.device, now)
    message["Message-ID"] = message_id(actions, settings.sender)
    lines = [_text_of(action, settings.text) for action in actions]
    if settings.text is None:
        lines += ["", "-- ", f"Sent by the rule {first.rule} of maskd on {first.device}."]
    message.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return message


def envelope(subject: str, settings: MailSettings, device: str, now: datetime) -> EmailMessage:
    """A message without a text. `subject` is one line."""
    message = EmailMessage(policy.SMTP)
    message["From"] = Address(f"maskd {device}", addr_spec=settings.sender)
    message["To"] = [Address(addr_spec=recipient) for recipient in settings.recipients]
    # An encoded word (RFC 2047) would be decoded here, and its line ends with it.
    message["Subject"] = subject.replace("=?", "= ?")
    message["Date"] = format_datetime(now)
    # No absence notice answers it (RFC 3834; the second one is for Exchange).
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    return message


def in_one_line(text: str) -> str:
    """Without line ends and other characters that cannot be seen: none begins a header, or a line, of its own."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _text_of(action: Action, template: str | None) -> str:
    if template is not None:
        return "".join(c for c in filled(template, _values(action)) if c.isprintable() or c == "\n")
    late = " (told late: maskd had stopped)" if action.recovered else ""
    return f"{_local_time(action)}  {in_one_line(action.text)}{late}"


def _local_time(action: Action) -> str:
    """By the clock of the device's time zone."""
    return datetime.fromtimestamp(parse_timestamp(action.time)).astimezone().strftime("%a %d %b %Y, %H:%M:%S")


def _values(action: Action) -> dict[str, object]:
    return {name: _clean(value) for name, value in action.model_dump(mode="json").items()}


def _clean(value: object) -> object:
    if isinstance(value, str):
        return in_one_line(value)
    return [_clean(one) for one in value] if isinstance(value, list | tuple) else value
