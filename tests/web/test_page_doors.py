"""Who gets into the page: the crawl without a login, sign-in and its refusals, tokens, hosts, origins, TLS."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from edge.config import Config
from edge.control.changes import Changes
from edge.people.observations import ObservationLog
from edge.system.deadline import Deadline
from edge.web import app
from edge.web.app import Site
from edge.web.attempts import MOST_ADDRESSES, PER_MINUTE, Attempts
from edge.web.build import make_rooms
from edge.web.device import Device
from edge.web.hosts import is_own, is_same_origin
from edge.web.listener import MOST_OF_ONE, listen
from edge.web.logins import FILE_NAME, Logins, LoginsFile, read_logins, write_logins
from edge.web.measurements import Measurements
from edge.web.passwords import fits, password_hash, token_hash
from edge.web.scene_slot import SceneSlot
from edge.web.sessions import IDLE_S, LONGEST_S, MOST, Sessions
from tests.support.mosquitto import HOST, free_port
from tests.support.places import ROOT
from tests.support.waiting import wait_until
from tests.support.web_page import (
    LABELS,
    LOGINS,
    PASSWORD,
    RECOMMENDED,
    TOKEN,
    VIEW_PASSWORD,
    Client,
    RunningPage,
    a_part,
    a_status,
    page_config,
    running_page,
    value_in_effect,
)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[RunningPage]:
    with running_page(tmp_path) as running:
        yield running


def every_route(folder: Path) -> list[tuple[str, str]]:
    """Method and path of each route that the application has, with its parameters filled in."""
    config = page_config(folder, 1)
    observed = ObservationLog(LABELS, config)
    device = Device(
        Changes(config, None),
        value_in_effect,
        observed,
        RECOMMENDED,
        a_status,
        tuple,
        on_change=lambda: None,
        note=lambda *_: None,
    )
    site = Site("", (), LoginsFile(folder / FILE_NAME), Sessions())
    with ThreadPoolExecutor(1) as work:
        rooms = make_rooms(config.web, site, device, Measurements("events"), SceneSlot(), work)
        return [*walk(app.routes(rooms), "")]


def walk(routes: list[BaseRoute] | object, above: str) -> Iterator[tuple[str, str]]:
    assert isinstance(routes, (list, tuple))
    for route in routes:
        if isinstance(route, Route):
            for method in route.methods or ():
                yield method, above + re.sub(r"{[^}]*}", "1", route.path)
        elif isinstance(route, WebSocketRoute):
            yield "WEBSOCKET", above + re.sub(r"{[^}]*}", "1", route.path)
        elif isinstance(route, Mount) and route.routes:
            yield from walk(list(route.routes), above + route.path)
        elif isinstance(route, Mount):
            yield "GET", f"{above}{route.path}/app.js"
        else:
            raise AssertionError(f"a kind of route that this test does not know: {route}")


def test_a_crawl_without_a_login(page: RunningPage) -> None:
    """Without a login, the page answers with nothing but the sign-in page and `/healthz`."""
    found = every_route(page.folder)
    assert len(found) > 6
    for method, path in [*found, ("GET", "/nothing"), ("GET", "/static/../api/status"), ("GET", "//api/status")]:
        if method == "WEBSOCKET":
            with pytest.raises(InvalidStatus) as refused:
                connect(f"ws://{HOST}:{page.port}{path}", origin=page.client.origin)  # type: ignore[arg-type]
            assert refused.value.response.status_code == 403
            continue
        for headers in ({}, {"Accept": "text/html"}, {"Authorization": "Bearer x"}, {"Cookie": "maskd=x"}):
            answer = page.client.ask(method, path, **headers)
            if path == "/healthz":
                assert (answer.status, answer.body in (b"ok\n", b"")) == (200, True)
            elif path == "/sign-in":
                assert answer.status in (200, 400, 429)
                assert method == "HEAD" or 'type="password"' in answer.text
            else:
                assert answer.status in (401, 303), (method, path)
                assert answer.body in (b"", b'{"error":"sign in first"}')
                assert answer.headers.get("location") in (None, "/sign-in")
            assert "set-cookie" not in answer.headers


def test_a_page_needs_a_password(tmp_path: Path) -> None:
    """There is no page before a password is set, and none any more once it was removed."""
    config = page_config(tmp_path, free_port())
    part = a_part(config)
    part.start()
    part.tick(10)
    assert not port_is_open(config)
    write_logins(tmp_path / FILE_NAME, LOGINS)
    part.tick(20)
    wait_until(lambda: port_is_open(config), what="the page")
    write_logins(tmp_path / FILE_NAME, Logins())
    part.tick(30)
    assert not port_is_open(config)
    part.stop(Deadline(1))


def port_is_open(config: Config) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, config.web.port)) == 0


def test_signing_in_and_out(page: RunningPage) -> None:
    client = page.client
    answer = client.sign_in()
    assert (answer.status, answer.headers["location"]) == (303, "/")
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert client.get("/").status == 200
    assert client.get("/api/status").json["device"] == "lobby"
    kept = client.cookie
    assert client.ask("POST", "/sign-out").status == 303
    client.cookie = kept
    assert client.get("/").status == 401


def test_wrong_passwords_and_too_many(page: RunningPage) -> None:
    """An address that guesses passwords is turned away after six in a minute."""
    client = page.client
    for _ in range(PER_MINUTE):
        answer = client.sign_in("wrong password")
        assert (answer.status, "This is not the password" in answer.text) == (403, True)
        assert "set-cookie" not in answer.headers
    assert client.sign_in(PASSWORD).status == 429
    assert client.cookie is None


@pytest.mark.parametrize("body", [b"", b"password", b"x=1", b"password=" + b"x" * 10_000, b"\xff\xfe", b"a=1&" * 50])
def test_forms_that_are_none(page: RunningPage, body: bytes) -> None:
    assert page.client.ask("POST", "/sign-in", body).status == 400


def test_the_view_only_password_changes_nothing(page: RunningPage) -> None:
    """The view-only password and a token may look at everything and change nothing."""
    client = page.client
    assert client.sign_in(VIEW_PASSWORD).status == 303
    assert client.get("/api/status").status == 200
    assert client.ask("POST", "/api/change").status == 403
    assert client.ask("POST", "/sign-out").status == 303
    machine = Client(page.port, headers={"Authorization": f"Bearer {TOKEN}"})
    assert machine.get("/readyz").json == {"ready": True, "reasons": []}
    assert machine.ask("POST", "/api/change").status == 403
    assert machine.ask("POST", "/api/change", Origin="").status == 403


def test_a_request_from_another_site(page: RunningPage) -> None:
    """A page of another site can neither read nor change anything, whoever is signed in in that browser."""
    client = page.signed_in
    for origin in ("http://evil.example", "null", "http://127.0.0.1", f"http://127.0.0.1:{page.port}.evil.example"):
        assert client.get("/api/status", Origin=origin).status == 403
        assert client.ask("POST", "/sign-out", Origin=origin).status == 403
        assert page.client.sign_in(Origin=origin).status == 403
    assert client.ask("POST", "/sign-out", Origin="").status == 403
    assert client.get("/api/status").status == 200


def test_a_foreign_host_name(page: RunningPage) -> None:
    """A host name that another's name server points at this device shows nothing."""
    client = page.signed_in
    for host in ("evil.example", f"evil.example:{page.port}", "", "127.0.0.1@evil.example", "localhost.evil.example"):
        assert client.get("/", Host=host).status in (400, 421)
    for host in ("localhost", f"LOCALHOST:{page.port}", f"{HOST}:{page.port}", "[::1]:8470", "192.168.1.20"):
        assert client.get("/", Host=host).status == 200


def test_names_and_origins() -> None:
    names = {"lobby", "lobby.local"}
    assert is_own("lobby.local:8470", names)
    assert is_own("lobby.", names)
    for host in ("", ":80", "lobby:x", "lobby/", "a@lobby", "lobby.local.evil.example", "1.2.3", "[::1", "0x7f.1"):
        assert not is_own(host, names), host
    assert is_same_origin("https://lobby", "lobby")
    assert not is_same_origin("ftp://lobby", "lobby")
    assert not is_same_origin("http://lobby", "lobby:8470")


def test_who_signed_in_and_who_took_events_away_is_noted(tmp_path: Path) -> None:
    """Who signed in at the page, and who downloaded events, is noted with role and address."""
    with running_page(tmp_path, logins=LOGINS.model_copy(update={"key": token_hash("abc")})) as page:
        assert page.client.sign_in("wrong password").status == 403
        assert page.client.get("/sign-in?key=abc").status == 200
        viewer = page.client
        viewer.sign_in(VIEW_PASSWORD)
        assert viewer.get("/api/events").status == 200
        assert viewer.get("/api/events.csv").status == 200
        assert page.notes == [
            ("page.sign_in", "owner, by a one-time key", HOST),
            ("page.sign_in", "view", HOST),
            ("page.download", "events.csv", f"view from {HOST}"),
        ]


def test_a_one_time_key_works_once(tmp_path: Path) -> None:
    """A one-time key signs in once, and is then of no use."""
    with running_page(tmp_path, logins=Logins(key=token_hash("abc"))) as page:
        client = page.client
        assert client.get("/sign-in?key=wrong").status == 403
        answer = client.get("/sign-in?key=abc")
        assert (answer.status, "url=/" in answer.text) == (200, True)
        assert client.get("/").status == 200
        assert page.client.get("/sign-in?key=abc").status == 403
        assert read_logins(tmp_path / FILE_NAME).key is None
        page.part.tick(time.monotonic())
        assert client.get("/").status == 200, "whoever used it is still served"


def test_a_changed_password_ends_its_sessions(page: RunningPage) -> None:
    """A new password ends every session that began with the old one."""
    client, viewer = page.signed_in, page.client
    viewer.sign_in(VIEW_PASSWORD)
    write_logins(page.folder / FILE_NAME, LOGINS.model_copy(update={"owner": password_hash("another one")}))
    assert client.get("/api/status").status == 401
    assert viewer.get("/api/status").status == 200
    assert page.client.sign_in(PASSWORD).status == 403
    assert page.client.sign_in("another one").status == 303


def test_sessions_end() -> None:
    sessions, logins = Sessions(), Logins(owner="o", view="v")
    cookie = sessions.begin("owner", "o", 0)
    assert sessions.role(cookie, logins, IDLE_S) == "owner"
    assert sessions.role(cookie, logins, 2 * IDLE_S + 1) is None
    busy = sessions.begin("view", "v", 0)
    times = [hour * 3600 for hour in range(1, int(LONGEST_S / 3600) + 1)]
    assert all(sessions.role(busy, logins, now) == "view" for now in times)
    assert sessions.role(busy, logins, LONGEST_S + 1) is None
    first, *others = [sessions.begin("view", "v", number) for number in range(MOST + 1)]
    assert sessions.role(first, logins, MOST) is None
    assert all(sessions.role(each, logins, MOST) for each in others)


def test_attempts_are_counted_by_network_and_in_bounded_memory() -> None:
    attempts = Attempts()
    assert [attempts.admits("2001:db8::1", 0) for _ in range(PER_MINUTE)] == [True] * PER_MINUTE
    assert not attempts.admits("2001:db8::2", 0)
    assert attempts.admits("2001:db8:0:1::2", 0)
    assert [attempts.admits("::ffff:192.0.2.1", 0) for _ in range(PER_MINUTE)] == [True] * PER_MINUTE
    assert not attempts.admits("192.0.2.1", 59)
    assert attempts.admits("192.0.2.1", 60)
    for number in range(MOST_ADDRESSES * 2):
        attempts.admits(f"10.0.{number // 256}.{number % 256}", 0)
    assert len(attempts._by_network) <= MOST_ADDRESSES


def test_one_client_cannot_take_every_connection(page: RunningPage) -> None:
    """A client that opens connections without end gets 32 of them."""
    silent = [socket.create_connection((HOST, page.port), timeout=30) for _ in range(MOST_OF_ONE + 8)]
    try:
        assert [each.recv(1) for each in silent[MOST_OF_ONE:]] == [b""] * 8
    finally:
        for each in silent:
            each.close()
    wait_until(lambda: answers(page), what="an answer once they have gone")


def test_no_answer_waits_for_an_acknowledgement_of_its_headers() -> None:
    async def is_sent_at_once() -> bool:
        answered = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            answered.set_result(bool(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            writer.close()

        async with await asyncio.start_server(connected, sock=listen(HOST, 0)) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()
            return bool(await answered)

    assert asyncio.run(is_sent_at_once())


def answers(page: RunningPage) -> bool:
    try:
        return page.client.get("/healthz").status == 200
    except OSError:
        return False


def test_security_headers(page: RunningPage) -> None:
    client = page.signed_in
    for answer in (
        client.get("/"),
        page.client.get("/sign-in"),
        page.client.get("/nothing"),
        client.get("/api/status"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_its_own_certificate(tmp_path: Path) -> None:
    """With `web.tls`, the page has a certificate of its own, which only maskd can read, and no unencrypted answer."""
    with running_page(tmp_path, tls={}) as page:
        path = tmp_path / "page.pem"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        before = path.read_bytes()
        client = Client(page.port, tls=ssl.create_default_context(cafile=str(path)))
        assert "secure" in client.sign_in().headers["set-cookie"].lower()
        assert client.get("/").status == 200
        with pytest.raises(OSError, match=r".*"):
            page.client.get("/healthz")
        old = ssl.create_default_context(cafile=str(path))
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            Client(page.port, tls=old).get("/healthz")
    with running_page(tmp_path, tls={}):
        assert path.read_bytes() == before


def test_behind_a_proxy_with_a_path(tmp_path: Path) -> None:
    with running_page(tmp_path, base_path="/door/maskd", names=["cams.example"]) as page:
        client = Client(page.port, headers={"Host": "cams.example"})
        answer = client.sign_in(path="/door/maskd/sign-in", Origin="https://cams.example")
        assert (answer.status, answer.headers["location"]) == (303, "/door/maskd/")
        assert "path=/door/maskd/;" in answer.headers["set-cookie"].lower().replace("; ", ";")
        assert "secure" in answer.headers["set-cookie"].lower()
        assert client.get("/door/maskd/api/status").status == 200
        for path in ("/api/status", "/", "/door/maskd/../../api/status"):
            assert client.get(path).status == 404
        assert page.client.get("/door/maskd/healthz").text == "ok\n"


def test_hashes() -> None:
    kept = password_hash("passwörd")
    assert fits("passwörd", kept)
    assert not fits("password", kept)
    assert kept != password_hash("passwörd")
    for broken in ("", "scrypt", "scrypt$zz$zz", "md5$00$00", kept[:-2]):
        assert not fits("passwörd", broken)


def maskd_password(folder: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    config = folder / "config.yaml"
    config.write_text(f"cameras: {{door: {{source: demo}}}}\nstorage: {{path: {folder / 'storage'}}}\n")
    command = [sys.executable, "-m", "edge.cli", "password", "-c", str(config), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, cwd=ROOT)


def test_the_command_keeps_hashes_alone(tmp_path: Path) -> None:
    """A password or a token is kept as a hash, in a file that only maskd can read, and never in config.yaml."""
    done = maskd_password(tmp_path, text=f"{PASSWORD}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "http://127.0.0.1:8470/" in done.stdout
    assert maskd_password(tmp_path, "--view", text=VIEW_PASSWORD).returncode == 0
    token = maskd_password(tmp_path, "--token", "robot").stdout.strip()
    path = tmp_path / "storage" / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    logins = read_logins(path)
    assert fits(PASSWORD, logins.owner or "")
    assert fits(VIEW_PASSWORD, logins.view or "")
    assert logins.tokens == {"robot": token_hash(token)}
    for kept in (path, tmp_path / "config.yaml"):
        assert not [secret for secret in (PASSWORD, VIEW_PASSWORD, token) if secret in kept.read_text()]
    assert maskd_password(tmp_path, "--view", "--remove").returncode == 0
    assert maskd_password(tmp_path, "--token", "robot", "--remove").returncode == 0
    logins = read_logins(path)
    assert (logins.owner is not None, logins.view, logins.tokens) == (True, None, {})


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        ("short\n", (), "the password has 5 characters; choose one with at least 8"),
        ("", (), "standard input has no password"),
        ("x" * 2000, (), "choose a shorter one"),
        ("", ("--token", "robot", "--remove"), "there is no token 'robot'; known: none"),
    ],
)
def test_what_the_command_refuses(tmp_path: Path, text: str, arguments: tuple[str, ...], told: str) -> None:
    done = maskd_password(tmp_path, *arguments, text=text)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "storage" / FILE_NAME).exists()


def test_a_file_of_logins_that_is_damaged_is_a_problem_and_no_way_in(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text('{"owner": ""}x')
    config = page_config(tmp_path, free_port())
    part = a_part(config)
    part.start()
    (problem,) = part.status().problems
    assert "delete it and set the password again: maskd password" in problem
    assert not port_is_open(config)
    part.stop(Deadline(1))
