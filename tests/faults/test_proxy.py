"""The proxy passes on, refuses, holds, swallows, delays and cuts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.proxy import HOST, Conditions, Direction, Proxy
from tests.support.waiting import wait_until


@contextmanager
def echo() -> Iterator[tuple[int, list[bytes]]]:
    """A server that sends back what it gets: its port, and all that it got."""
    got: list[bytes] = []
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=[connection], daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(65536):
                        got.append(data)
                        connection.sendall(data)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], got
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.fixture
def proxied() -> Iterator[tuple[Proxy, list[bytes]]]:
    with echo() as (port, got), Proxy(port) as proxy:
        yield proxy, got


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=5)


def connect_and_read(proxy: Proxy) -> bytes:
    """A reset that comes at once may already be seen while connecting."""
    with connect(proxy) as connection:
        return connection.recv(100)


def silent(connection: socket.socket, seconds: float = 0.3) -> bool:
    connection.settimeout(seconds)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)
    return False


def was_reset(connection: socket.socket) -> bool:
    try:
        connection.recv(100)
    except ConnectionResetError:
        return True
    return False


def test_it_passes_on_both_ways(proxied: tuple[Proxy, list[bytes]]) -> None:
    proxy, _ = proxied
    with connect(proxy) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
    assert proxy.connections == 1


def test_it_refuses_and_resets_and_then_listens_again(proxied: tuple[Proxy, list[bytes]]) -> None:
    proxy, _ = proxied
    with connect(proxy) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        proxy.apply(Conditions(listening=False))
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.apply(Conditions())
    with connect(proxy) as connection:
        connection.sendall(b"again")
        assert connection.recv(100) == b"again"


def test_a_shut_gate_resets_who_comes(proxied: tuple[Proxy, list[bytes]]) -> None:
    proxy, got = proxied
    with connect(proxy) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        proxy.shut_gate()
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with pytest.raises(ConnectionResetError):
        connect_and_read(proxy)
    assert b"".join(got) == b"hello"
    proxy.open_gate()
    with connect(proxy) as connection:
        connection.sendall(b"again")
        assert connection.recv(100) == b"again"


def test_nothing_listening_behind_it_is_a_reset() -> None:
    with echo() as (port, _):
        pass
    with Proxy(port) as proxy, pytest.raises(ConnectionResetError):
        connect_and_read(proxy)


@pytest.mark.parametrize("way", Direction)
def test_what_is_held_arrives_later(proxied: tuple[Proxy, list[bytes]], way: Direction) -> None:
    proxy, got = proxied
    with connect(proxy) as connection:
        connection.sendall(b"a")
        assert connection.recv(100) == b"a"
        proxy.apply(Conditions(held=frozenset({way})))
        connection.sendall(b"b")
        assert silent(connection)
        assert (b"b" in got) is (way is Direction.TO_DAEMON)
        proxy.apply(Conditions())
        assert connection.recv(100) == b"b"


def test_what_is_swallowed_is_gone(proxied: tuple[Proxy, list[bytes]]) -> None:
    proxy, got = proxied
    with connect(proxy) as connection:
        proxy.apply(Conditions(swallowed=frozenset({Direction.TO_DAEMON})))
        connection.sendall(b"a")
        wait_until(lambda: got == [b"a"], what="the bytes on the far side")
        assert silent(connection)
        proxy.apply(Conditions())
        connection.sendall(b"b")
        assert connection.recv(100) == b"b"


@pytest.mark.parametrize("conditions", [Conditions(delay_s=0.2), Conditions(bytes_per_s=500)])
def test_it_is_slow_where_asked(proxied: tuple[Proxy, list[bytes]], conditions: Conditions) -> None:
    proxy, _ = proxied
    with connect(proxy) as connection:
        proxy.apply(conditions)
        begin = time.monotonic()
        connection.sendall(bytes(100))
        assert connection.recv(100) == bytes(100)
        assert time.monotonic() - begin >= 0.4


def test_each_connection_is_cut_after_so_many_bytes(proxied: tuple[Proxy, list[bytes]]) -> None:
    proxy, got = proxied
    proxy.apply(Conditions(cut_after={Direction.TO_BROKER: 3}))
    for _ in range(2):
        with connect(proxy) as connection:
            connection.sendall(b"hello")
            wait_until(lambda: was_reset(connection), what="the cut")
    wait_until(lambda: b"".join(got) == b"helhel", what="what came before the cut")


def test_a_goodbye_is_passed_on_with_what_came_before_it(proxied: tuple[Proxy, list[bytes]]) -> None:
    proxy, got = proxied
    with connect(proxy) as connection:
        connection.sendall(b"last words")
    wait_until(lambda: b"".join(got) == b"last words", what="the last words")
