"""The report of a week by mail."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edge.config import Config
from edge.config.file import config_from_values
from edge.errors import MaskdError, UsageError
from edge.outputs.report_mail import mail_report
from edge.report.weekly import WeeklyReport, last_week
from edge.system.deadline import Deadline
from edge.system.time_zone import device_zone
from tests.support.mail_server import MailServer
from tests.support.mosquitto import HOST
from tests.support.waiting import wait_until

MONDAY = datetime(2026, 10, 26, 8, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


def a_config(storage: Path, server: MailServer, **report: Any) -> Config:
    mail = {"host": HOST, "port": server.port, "tls": "none", "sender": "maskd@example.org"}
    return config_from_values(
        {
            "device": "lobby",
            "storage": {"path": str(storage)},
            "outputs": {"mail": {"desk": {**mail, "recipients": ["a@example.org", "b@example.org"]}}},
            "report": {"folder": str(storage), "mail": "desk", **report},
        }
    )


def a_report(folder: Path) -> Path:
    year, week, _ = last_week(MONDAY, device_zone()[0])[0].isocalendar()
    path = folder / f"maskd-lobby-{year}-W{week:02}.html"
    path.write_text("<!doctype html><title>Größe</title>" + "x" * 100_000)
    return path


def test_a_report_is_mailed_once_as_an_attachment_and_waits_for_an_absent_server(tmp_path: Path) -> None:
    server, path = MailServer(), a_report(tmp_path)
    part = WeeklyReport(a_config(tmp_path, server), mail_report, clock=lambda: MONDAY)
    part.start()
    try:
        wait_until(lambda: part.status().problems, what="the problem")
        assert part.status().problems == (
            "the weekly report is not mailed yet, and tried again each hour: outputs.mail.desk: 127.0.0.1 refuses the "
            "connection; check that the server runs, and its port",
        )
        with server:
            part._next_try_at = 0.0
            part._worker.wake()
            wait_until(lambda: server.deliveries, what="the mail")
            wait_until(lambda: not part.status().problems, what="the end of the problem")
            again = WeeklyReport(a_config(tmp_path, server), mail_report, clock=lambda: MONDAY)
            again._work(1.0)
        (delivery,) = server.deliveries
        (attachment,) = delivery.message.iter_attachments()
        assert delivery.recipients == ("a@example.org", "b@example.org")
        assert delivery.message["Subject"] == "lobby: mask compliance in week 43"
        assert delivery.message["Message-ID"] == f"<{path.stem}@example.org>"
        assert (attachment.get_filename(), attachment.get_content_type()) == (path.name, "text/html")
        assert attachment.get_payload(decode=True) == path.read_bytes()
    finally:
        part.stop(Deadline(5))


def test_no_report_is_mailed_with_aggregate(tmp_path: Path) -> None:
    a_report(tmp_path)
    with MailServer() as server:
        config = a_config(tmp_path, server).model_copy(update={"privacy": "aggregate"})
        WeeklyReport(config, mail_report, clock=lambda: MONDAY)._work(1.0)
        assert server.deliveries == []


def test_a_recipient_who_is_refused_keeps_no_other_from_the_report(tmp_path: Path) -> None:
    path = a_report(tmp_path)
    with MailServer() as server:
        server.answers["a@example.org"] = "550 5.1.1 no such user"
        mail_report(a_config(tmp_path, server), path)
        assert server.deliveries[0].recipients == ("b@example.org",)
        server.answers["RCPT"] = "550 5.1.1 no such user"
        with pytest.raises(MaskdError, match=r"takes no report for a@example.org: 550 5.1.1 no such user"):
            mail_report(a_config(tmp_path, server), path)


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        ({"mail": "dsk"}, 'report.mail: there is no output of kind mail "dsk"; did you mean "desk"?'),
        ({"folder": None}, "report.mail: it sends the report that is in report.folder; set that as well"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, report: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        a_config(tmp_path, MailServer(), **report)
    assert problem in str(caught.value)
