"""Sends the report of a week by mail."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from edge.config import Config
from edge.errors import MaskdError

_log = logging.getLogger(__name__)


def mail_report(config: Config, path: Path) -> None:
    """Through the output that `report.mail` names. Raises MaskdError where no recipient gets it, and OSError."""
    # Once a week, and on few devices: not at the start.
    from edge.outputs.keeping_output import NotDeliveredError
    from edge.outputs.mail_message import envelope
    from edge.outputs.smtp import MailSession

    assert config.report.mail is not None
    settings, setting = config.outputs.mail[config.report.mail], f"outputs.mail.{config.report.mail}"
    week = path.stem.rpartition("-")[2].removeprefix("W").lstrip("0")
    message = envelope(
        f"{config.device}: mask compliance in week {week}", settings, config.device, datetime.now().astimezone()
    )
    message["Message-ID"] = f"<{path.stem}@{settings.sender.rpartition('@')[2]}>"
    message.set_content(f"The report of week {week} is attached. It opens in any browser.\n", cte="quoted-printable")
    message.add_attachment(path.read_bytes(), maintype="text", subtype="html", filename=path.name)
    session = MailSession(settings, setting, settings.timeout_s)
    try:
        session.open()
        outcome = session.send(settings.sender, settings.recipients, message.as_bytes())
    except NotDeliveredError as error:
        raise MaskdError(f"{setting}: {error}") from None
    finally:
        session.close()
    for recipient, reason in {**outcome.postponed, **outcome.refused}.items():
        problem = f"{setting}: {settings.host} takes no report for {recipient}: {reason}; correct recipients"
        if not outcome.accepted:
            raise MaskdError(problem)
        _log.warning("%s", problem)
