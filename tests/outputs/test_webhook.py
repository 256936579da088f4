"""Webhooks: what is sent, and what happens where the server is not there, is slow, or refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.config.outputs import WebhookSettings
from edge.errors import MaskdError
from edge.outputs.action_queue import ActionQueue
from edge.outputs.webhook import Webhook, signature
from edge.payloads.action import Action
from edge.system.deadline import Deadline
from tests.support.actions import action
from tests.support.certificates import Authority
from tests.support.waiting import wait_until
from tests.support.webhook_server import WebhookServer


class Calling:
    def __init__(self, folder: Path, settings: WebhookSettings) -> None:
        self.queue = ActionQueue(folder)
        self.queue.open()
        self.failures: list[BaseException] = []
        self.webhook = Webhook("outputs.webhook.chat", settings, self.queue, on_failure=self.failures.append)

    def add(self, *numbers: int) -> None:
        self.queue.add([("chat", action(number)) for number in numbers])
        self.webhook.wake()

    @property
    def problems(self) -> str:
        return "; ".join(self.webhook.status().problems)


@contextmanager
def calling(folder: Path, **settings: Any) -> Iterator[Calling]:
    it = Calling(folder, WebhookSettings(**settings))
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.05):
            it.webhook.tick(time.monotonic())

    ticking = threading.Thread(target=tick)
    ticking.start()
    it.webhook.start()
    try:
        yield it
    finally:
        stop.set()
        ticking.join()
        it.webhook.stop(Deadline(5))
        it.queue.close()
    assert it.failures == []


def test_an_action_is_posted_as_json_once_and_in_order(tmp_path: Path) -> None:
    with WebhookServer() as server, calling(tmp_path, url=server.url) as it:
        it.add(1, 2)
        it.add(3)
        wait_until(lambda: it.queue.depth("chat") == 0, what="three calls")
        assert [call.json["track"] for call in server.calls] == ["t1", "t2", "t3"]
        first = server.calls[0]
        assert first.path == "/hooks/s3cret?token=t0ken"
        assert first.headers["content-type"] == "application/json"
        assert Action.model_validate_json(first.body) == action(1)
        assert first.key == first.headers["webhook-id"] == str(action(1).id)
        assert "webhook-signature" not in first.headers
        assert it.problems == ""


def test_a_signature_proves_the_sender(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("whsec_" + base64.b64encode(b"k" * 24).decode() + "\n")
    with WebhookServer() as server, calling(tmp_path, url=server.url, secret_file=secret) as it:
        it.add(1)
        wait_until(lambda: server.calls, what="the call")
        call = server.calls[0]
        signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
        expected = base64.b64encode(hmac.new(b"k" * 24, signed, hashlib.sha256).digest()).decode()
        assert call.headers["webhook-signature"] == f"v1,{expected}"


def test_the_published_example_of_the_signature() -> None:
    """From the libraries of the specification, https://github.com/standard-webhooks/standard-webhooks."""
    secret, message = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signed = signature(secret, message, 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_template_says_it_as_a_chat_wants_it(tmp_path: Path) -> None:
    template = '{"text": "{device}: {text} {confidence} [{zones}] {people}", "n": ["{duration_s}", "{people}", 7]}'
    with WebhookServer() as server, calling(tmp_path, url=server.url, template=template) as it:
        it.add(1)
        wait_until(lambda: server.calls, what="the call")
        assert server.calls[0].json == {
            "text": 'lobby "1": door (entrance): a person without a mask, for 3 s 0.9712 [entrance] ',
            "n": [3.25, None, 7],
        }


def test_an_outage_costs_nothing(tmp_path: Path) -> None:
    server = WebhookServer()
    with server:
        url = server.url
    with calling(tmp_path, url=url) as it:
        it.add(1, 2)
        wait_until(lambda: "refuses the connection" in it.problems, what="the problem")
        assert "s3cret" not in it.problems
        with server:
            wait_until(lambda: it.queue.depth("chat") == 0, what="both calls")
        assert [call.json["track"] for call in server.calls] == ["t1", "t2"]
        wait_until(lambda: it.problems == "", what="the end of the problem")


def test_what_waits_outlives_the_process(tmp_path: Path) -> None:
    server = WebhookServer()
    with server:
        url = server.url
    with calling(tmp_path, url=url) as it:
        it.add(1, 2, 3)
    with server, calling(tmp_path, url=url) as it:
        wait_until(lambda: it.queue.depth("chat") == 0, what="three calls")
        assert [call.json["track"] for call in server.calls] == ["t1", "t2", "t3"]


@pytest.mark.parametrize("status", [500, 503, 429, 404, 401, 302])
def test_an_answer_that_may_change_is_waited_for_under_the_same_key(tmp_path: Path, status: int) -> None:
    with WebhookServer() as server, calling(tmp_path, url=server.url) as it:
        server.status = status
        it.add(1)
        wait_until(lambda: f"answers {status}" in it.problems, what="the problem")
        server.status = 204
        wait_until(lambda: it.queue.depth("chat") == 0, what="the call")
        assert len({call.key for call in server.calls}) == 1
        wait_until(lambda: it.problems == "", what="the end of the problem")


def test_the_server_says_when_to_come_back(tmp_path: Path) -> None:
    with WebhookServer() as server, calling(tmp_path, url=server.url) as it:
        server.status, server.headers = 429, {"Retry-After": "2"}
        it.add(1)
        wait_until(lambda: it.problems, what="the problem")
        server.status = 200
        wait_until(lambda: it.queue.depth("chat") == 0, what="the call")
        assert server.calls[1].at - server.calls[0].at >= 2


def test_what_is_refused_for_good_holds_up_nothing_and_is_told(tmp_path: Path) -> None:
    with WebhookServer() as server, calling(tmp_path, url=server.url) as it:
        server.status, server.answer = 400, b"invalid_payload\x1b[31m"
        it.add(1)
        wait_until(lambda: it.webhook.given_up == 1, what="the refusal")
        server.status = 200
        it.add(2)
        wait_until(lambda: it.queue.depth("chat") == 0, what="the second call")
        assert [call.json["track"] for call in server.calls] == ["t1", "t2"]
        assert "localhost answers 400 Bad Request: invalid_payload" in it.problems
        assert "\x1b" not in it.problems


def test_a_server_that_does_not_answer_is_given_up_in_time(tmp_path: Path) -> None:
    with WebhookServer() as server, calling(tmp_path, url=server.url, timeout_s=1) as it:
        server.hangs.set()
        it.add(1)
        wait_until(lambda: "did not answer in time" in it.problems, what="the problem")
        server.hangs.clear()
        wait_until(lambda: it.queue.depth("chat") == 0, what="the call")


def test_a_stop_does_not_wait_for_the_server(tmp_path: Path) -> None:
    with WebhookServer() as server, calling(tmp_path, url=server.url, timeout_s=60) as it:
        server.hangs.set()
        it.add(1)
        wait_until(lambda: server.calls, what="the call")
        it.webhook.stop(Deadline(20))
        assert not it.webhook._worker.is_alive
        assert it.queue.depth("chat") == 1


def test_nothing_leaves_while_it_is_withheld(tmp_path: Path) -> None:
    with WebhookServer() as server, calling(tmp_path, url=server.url) as it:
        it.webhook.withhold(True)
        it.add(1)
        it.webhook._work(0.0)
        assert server.calls == []
        it.webhook.withhold(False)
        wait_until(lambda: it.queue.depth("chat") == 0, what="the call")


def test_https_trusts_the_authority_that_is_named_and_no_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    pair = authority.sign("localhost")
    with WebhookServer(pair.cert, pair.key) as server:
        with calling(tmp_path / "a", url=server.url) as it:
            it.add(1)
            wait_until(lambda: "is not trusted" in it.problems, what="the problem")
            assert server.calls == []
        with calling(tmp_path / "b", url=server.url, ca_file=authority.cert) as it:
            it.add(1)
            wait_until(lambda: it.queue.depth("chat") == 0, what="the call")


def test_https_to_a_server_without_it_is_named(tmp_path: Path) -> None:
    with WebhookServer() as server, calling(tmp_path, url=server.url.replace("http:", "https:")) as it:
        it.add(1)
        wait_until(lambda: "localhost does not begin with TLS; check" in it.problems, what="the problem")
        assert server.calls == []


def test_a_server_that_ends_the_handshake_is_named(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
    with listener, calling(tmp_path, url=url) as it:
        it.add(1)
        connection, _ = listener.accept()
        with connection:
            connection.recv(10_000)
        wait_until(lambda: "127.0.0.1 ended the connection before TLS was set up" in it.problems, what="the problem")


def test_the_address_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    with WebhookServer() as server, calling(tmp_path, url_file=file) as it:
        it.add(1)
        wait_until(lambda: "there is no such file" in it.problems, what="the problem")
        file.write_text("ftp://x\n")
        wait_until(lambda: "does not hold a web address" in it.problems, what="the problem")
        file.write_text(server.url + "\n")
        wait_until(lambda: it.queue.depth("chat") == 0, what="the call")


def test_a_trial_connects_and_sends_nothing(tmp_path: Path) -> None:
    server = WebhookServer()
    with server, calling(tmp_path, url=server.url) as it:
        assert it.webhook.try_out() == "localhost answers; requests are not signed; nothing was sent"
        assert server.calls == []
    with calling(tmp_path, url=server.url) as it, pytest.raises(MaskdError, match="refuses the connection"):
        it.webhook.try_out()
