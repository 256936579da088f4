"""User names and passwords, from wherever they come."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest

from edge.config import MqttSettings, TlsSettings
from edge.errors import MaskdError
from edge.mqtt import MqttClient, session
from edge.mqtt.login import Login, has_login, read_login
from edge.system.backoff import Backoff
from tests.support.connecting import connect_once
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import wait_until

PASSWORD = "  pä$s: 'wörd' #1\\ "


def secret(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return path


@pytest.fixture
def guarded_broker(mosquitto_folder: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(mosquitto_folder, users={"lobby": PASSWORD})
    broker.start()
    yield broker
    broker.stop()


def settings_for(broker: Mosquitto, **more: Any) -> MqttSettings:
    return MqttSettings(host=broker.host, port=broker.port, **more)


@contextmanager
def connecting(settings: MqttSettings, backoff: Backoff) -> Iterator[MqttClient]:
    client = MqttClient(settings, "lobby", backoff=backoff)
    client.start()
    try:
        yield client
    finally:
        client.stop()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_login_from_files_and_from_systemd(
    guarded_broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: Literal["5", "3.1.1"]
) -> None:
    name, password = secret(tmp_path / "name", "lobby\n"), secret(tmp_path / "password", PASSWORD + "\r\n")
    for login in ({"username": "lobby"}, {"username_file": name}):
        connect_once(settings_for(guarded_broker, protocol=protocol, password_file=password, **login))
    secret(tmp_path / "mqtt-username", "lobby")
    secret(tmp_path / "mqtt-password", "\ufeff" + PASSWORD)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    connect_once(settings_for(guarded_broker, protocol=protocol))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(MaskdError, match=r"Not authorized; set mqtt.username and mqtt.password_file to a login"):
        connect_once(settings_for(guarded_broker, protocol=protocol))
    with pytest.raises(MaskdError, match=r"Not authorized; set mqtt.password_file to the password of lobby"):
        connect_once(settings_for(guarded_broker, protocol=protocol, username="lobby"))


def test_what_is_set_goes_before_what_systemd_hands_over(tmp_path: Path) -> None:
    secret(tmp_path / "mqtt-username", "credential")
    secret(tmp_path / "mqtt-password", "credential's")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    own = secret(tmp_path / "own", "own")
    assert read_login(MqttSettings(), environment) == Login("credential", "credential's")
    assert read_login(MqttSettings(username="me"), environment) == Login("me", "credential's")
    assert read_login(MqttSettings(username_file=own, password_file=own), environment) == Login("own", "own")
    assert read_login(MqttSettings(), {}, tmp_path / "none") == Login()
    assert read_login(MqttSettings(), {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) == Login()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder that systemd hands the service's login over from; only root can read it."""
    folder = tmp_path / "credstore"
    folder.mkdir(mode=0o700)
    secret(folder / "maskd.mqtt-username", "device")
    secret(folder / "maskd.mqtt-password", "device's\n")
    return folder


def handed_over(store: Path, folder: Path) -> dict[str, str]:
    """The environment of the service."""
    folder.mkdir()
    for path in store.iterdir():
        secret(folder / path.name.removeprefix("maskd."), path.read_bytes())
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def test_a_command_typed_by_root_has_the_services_login(store: Path, tmp_path: Path) -> None:
    service = handed_over(store, tmp_path / "handed")
    for settings in (MqttSettings(), MqttSettings(username="me"), MqttSettings(tls=TlsSettings())):
        assert read_login(settings, {}, store) == read_login(settings, service, tmp_path / "none")
        assert has_login(settings, {}, store) == has_login(settings, service, tmp_path / "none")
    assert read_login(MqttSettings(), {}, store) == Login("device", "device's")
    own = secret(tmp_path / "own", "own")
    assert read_login(MqttSettings(username_file=own, password_file=own), {}, store) == Login("own", "own")
    assert not has_login(MqttSettings(), {}, tmp_path / "none")


def test_what_systemd_hands_over_is_all_that_the_service_reads(store: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    service = {"CREDENTIALS_DIRECTORY": str(tmp_path / "empty")}
    assert read_login(MqttSettings(), service, store) == Login()
    assert not has_login(MqttSettings(), service, store)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read a file")
def test_whoever_may_not_read_the_services_login_goes_without_and_is_told_who_may(
    store: Path, guarded_broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory() as name:  # pytest's own folders are closed to others, unlike /etc
        Path(name).chmod(0o755)
        etc = store.rename(Path(name, "credstore"))
        monkeypatch.setattr(session, "read_login", lambda settings: read_login(settings, {}, etc))
        os.seteuid(65534)
        try:
            assert read_login(MqttSettings(), {}, etc) == Login(is_withheld=True)
            assert not has_login(MqttSettings(), {}, etc)
            assert not read_login(MqttSettings(username="me"), {}, etc).is_withheld
            assert not read_login(MqttSettings(), {}, Path(name, "none")).is_withheld
            with pytest.raises(MaskdError, match="or run this as root, who may read the service's login in /etc/cred"):
                connect_once(settings_for(guarded_broker))
        finally:
            os.seteuid(0)


def test_who_logs_in(tmp_path: Path) -> None:
    secret(tmp_path / "mqtt-username", "me")
    certificate = TlsSettings(cert_file=tmp_path / "cert.pem")
    assert has_login(MqttSettings(username="me"), {})
    assert has_login(MqttSettings(username_file=tmp_path / "mqtt-username"), {})
    assert has_login(MqttSettings(tls=certificate), {})
    assert has_login(MqttSettings(), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert not has_login(MqttSettings(tls=TlsSettings()), {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ("\n", "it is empty"),
        (b"\xff\xfe\x00", "it is not text"),
        ("two\nlines\n", "it has more than one line"),
        ("a\0b", "it has characters that cannot be typed"),
        ("x" * 65_536, "it is longer than 65535 bytes"),
        ("x" * 1_000_000, "it is longer than 65535 bytes"),
    ],
)
def test_a_file_that_holds_no_password(tmp_path: Path, content: str | bytes, reason: str) -> None:
    settings = MqttSettings(username="me", password_file=secret(tmp_path / "password", content))
    with pytest.raises(MaskdError) as refused:
        read_login(settings, {})
    assert str(refused.value) == (
        f"the broker's password in {tmp_path}/password cannot be read: {reason}; "
        "put only the password into that file and make it readable for maskd, or correct mqtt.password_file"
    )


def test_a_password_of_the_greatest_length(tmp_path: Path) -> None:
    path = secret(tmp_path / "password", "x" * 65_535 + "\r\n")
    assert len(read_login(MqttSettings(username="me", password_file=path), {}).password or "") == 65_535


def test_a_file_that_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "missing", "there is no such file"),
        (tmp_path, "it is not a file"),
        (tmp_path / "pipe", "it is not a file"),
    ):
        with pytest.raises(MaskdError, match=f"user name in .* cannot be read: {reason}; .*mqtt.username_file"):
            read_login(MqttSettings(username_file=path), {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read a file")
def test_a_file_that_maskd_may_not_read(tmp_path: Path) -> None:
    path = secret(tmp_path / "password", "x")
    os.seteuid(65534)
    try:
        with pytest.raises(MaskdError, match="cannot be read: Permission denied"):
            read_login(MqttSettings(username="me", password_file=path), {})
    finally:
        os.seteuid(0)


def test_a_password_without_a_user_name(tmp_path: Path) -> None:
    secret(tmp_path / "mqtt-password", "x")
    with pytest.raises(MaskdError, match=r"a password for the broker in .*mqtt-password, but no user name; set mqtt"):
        read_login(MqttSettings(), {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_a_login_shows_no_password() -> None:
    assert PASSWORD not in repr(Login("me", PASSWORD))


def test_a_password_is_corrected_while_maskd_runs(
    guarded_broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every attempt waits longer, the reason is told once, and so is that the file is open to all."""
    backoff = Backoff(0.01, 0.05)
    path = secret(tmp_path / "password", "wrong")
    path.chmod(0o644)
    with connecting(settings_for(guarded_broker, username="lobby", password_file=path), backoff) as client:
        wait_until(lambda: backoff.attempts >= 10, what="ten attempts")
        assert client.connection is None
        path.write_text(PASSWORD)
        wait_until(lambda: client.connection == 1, what="the connection")
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 2
    assert f"every user of this device can read the secret in {path}; restrict it: chmod o= {path}" in warnings
