"""TLS against a real Mosquitto, with certificates that are right, and wrong in every way that happens."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.config import MqttSettings, TlsSettings
from edge.errors import MaskdError
from edge.mqtt import MqttClient
from edge.system.backoff import Backoff
from tests.support.certificates import FUTURE, PAST, Authority, Pair, openssl, self_signed
from tests.support.connecting import connect_once
from tests.support.mosquitto import Mosquitto
from tests.support.places import ROOT
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authorities") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authorities") / "theirs", "somebody else")


@contextmanager
def serving(folder: Path, pair: Pair, *more: str) -> Iterator[Mosquitto]:
    """A broker that shows this certificate."""
    broker = Mosquitto(folder, extra=[f"certfile {pair.cert}", f"keyfile {pair.key}", *more])
    broker.host = "localhost"
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def settings_for(broker: Mosquitto, tls: TlsSettings | None, **more: Any) -> MqttSettings:
    return MqttSettings(host=broker.host, port=broker.port, tls=tls, **more)


def refusal(settings: MqttSettings) -> str:
    with pytest.raises(MaskdError) as refused:
        connect_once(settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_our_own_authority_is_trusted(mosquitto_folder: Path, authority: Authority) -> None:
    with serving(mosquitto_folder, authority.sign("localhost")) as broker:
        for version in ("1.2", "1.3"):
            connect_once(settings_for(broker, TlsSettings(ca_file=authority.cert, min_version=version)))


def test_another_authority_is_not(mosquitto_folder: Path, authority: Authority, stranger: Authority) -> None:
    with serving(mosquitto_folder, authority.sign("localhost")) as broker:
        told = refusal(settings_for(broker, TlsSettings(ca_file=stranger.cert)))
        assert f"is not trusted: none of {stranger.cert} signed it; set mqtt.tls.ca_file to" in told
        told = refusal(settings_for(broker, TlsSettings()))
        assert "is not trusted: none of the system's authorities signed it; set mqtt.tls.ca_file to" in told


@pytest.mark.parametrize(
    ("certificate", "told"),
    [
        ({"valid": PAST}, "it has expired by this device's clock, 20..-..-..; renew the broker's certificate"),
        ({"valid": FUTURE}, "it is not valid yet by this device's clock, 20.*connect a time server"),
        ({"names": "DNS:broker.example"}, "it is not made for that name .*not valid for 'localhost'.*; set mqtt.host"),
    ],
)
def test_a_certificate_that_does_not_hold_here_and_now_is_refused(
    mosquitto_folder: Path, authority: Authority, certificate: dict[str, Any], told: str
) -> None:
    with (
        serving(mosquitto_folder, authority.sign("localhost", **certificate)) as broker,
        pytest.raises(MaskdError, match=told),
    ):
        connect_once(settings_for(broker, TlsSettings(ca_file=authority.cert)))


def test_an_address_that_the_certificate_does_not_hold_is_refused(mosquitto_folder: Path, authority: Authority) -> None:
    with serving(mosquitto_folder, authority.sign("localhost", names="DNS:localhost")) as broker:
        told = refusal(MqttSettings(host="127.0.0.1", port=broker.port, tls=TlsSettings(ca_file=authority.cert)))
        assert "it is not made for that name" in told
        assert "127.0.0.1" in told


def test_a_broker_that_signed_itself_is_trusted_by_its_own_certificate_alone(
    mosquitto_folder: Path, authority: Authority
) -> None:
    pair = self_signed(mosquitto_folder / "own")
    with serving(mosquitto_folder, pair) as broker:
        told = refusal(settings_for(broker, TlsSettings(ca_file=authority.cert)))
        assert "it is self-signed" in told
        assert "copy its certificate to this device and set mqtt.tls.ca_file to the copy" in told
        connect_once(settings_for(broker, TlsSettings(ca_file=pair.cert)))


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
def test_a_broker_that_asks_for_our_certificate(
    mosquitto_folder: Path, authority: Authority, stranger: Authority, version: str
) -> None:
    """In TLS 1.3 the broker objects after the handshake, in 1.2 during it."""
    newest = {"tlsv1.2": "TLSv1.2", "tlsv1.3": "TLSv1.3"}[version]
    asking = (f"cafile {authority.cert}", "require_certificate true", "use_identity_as_username true", "log_type all")
    with (
        limited_to(newest, mosquitto_folder),
        serving(mosquitto_folder, authority.sign("localhost"), *asking) as broker,
    ):
        ours = authority.sign("lobby", names="DNS:lobby")
        shown = TlsSettings(ca_file=authority.cert, cert_file=ours.cert, key_file=ours.key)
        connect_once(settings_for(broker, shown))
        assert "u'lobby'" in broker.log

        told = refusal(settings_for(broker, TlsSettings(ca_file=authority.cert)))
        assert "requires a certificate from this device; set mqtt.tls.cert_file and mqtt.tls.key_file" in told

        for wrong in (stranger.sign("lobby", names="DNS:lobby"), authority.sign("lobby", names="DNS:x", valid=PAST)):
            settings = TlsSettings(ca_file=authority.cert, cert_file=wrong.cert, key_file=wrong.key)
            told = refusal(settings_for(broker, settings))
            assert f"does not accept this device's certificate in {wrong.cert}" in told


def test_an_impostor_learns_nothing(
    mosquitto_folder: Path, tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    """A broker without a valid certificate from the configured authority, for the configured name, gets no login."""
    impostors = [
        stranger.sign("localhost"),
        authority.sign("localhost", valid=PAST),
        authority.sign("localhost", valid=FUTURE),
        authority.sign("broker", names="DNS:broker.example"),
        self_signed(tmp_path / "own"),
    ]
    for number, pair in enumerate(impostors):
        with serving(mosquitto_folder / str(number), pair, "log_type all") as broker:
            refusal(settings_for(broker, TlsSettings(ca_file=authority.cert), username="lobby"))
            assert "lobby" not in broker.log
    with serving(mosquitto_folder / "honest", authority.sign("localhost"), "log_type all") as broker:
        connect_once(settings_for(broker, TlsSettings(ca_file=authority.cert), username="lobby"))
        assert "u'lobby'" in broker.log


@contextmanager
def limited_to(newest: str, folder: Path) -> Iterator[None]:
    """A Mosquitto that is started meanwhile speaks no newer TLS: its own option only sets the oldest."""
    folder.mkdir(exist_ok=True)
    (folder / "openssl.cnf").write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = it\n"
        f"[it]\nMinProtocol = TLSv1\nMaxProtocol = {newest}\nCipherString = DEFAULT@SECLEVEL=0\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENSSL_CONF", str(folder / "openssl.cnf"))
        yield


def test_tls_cannot_be_talked_down(mosquitto_folder: Path, authority: Authority) -> None:
    """TLS cannot be downgraded below the configured version."""
    pair = authority.sign("localhost")
    with limited_to("TLSv1.2", mosquitto_folder), serving(mosquitto_folder, pair) as broker:
        connect_once(settings_for(broker, TlsSettings(ca_file=authority.cert)))
        told = refusal(settings_for(broker, TlsSettings(ca_file=authority.cert, min_version="1.3")))
        assert "does not support TLS 1.3 or newer, which mqtt.tls.min_version requires" in told
        assert 'or set mqtt.tls.min_version to "1.2"' in told


def test_a_version_older_than_1_2_is_never_spoken(mosquitto_folder: Path, authority: Authority) -> None:
    pair = authority.sign("localhost")
    with limited_to("TLSv1.1", mosquitto_folder), serving(mosquitto_folder, pair, "tls_version tlsv1.1") as broker:
        told = refusal(settings_for(broker, TlsSettings(ca_file=authority.cert)))
        assert told.endswith("which mqtt.tls.min_version requires; enable TLS 1.2 at the broker")


def test_a_plain_port_and_a_tls_port_are_told_apart(mosquitto: Mosquitto, tmp_path: Path, authority: Authority) -> None:
    told = refusal(settings_for(mosquitto, TlsSettings(ca_file=authority.cert)))
    assert "has no compatible TLS" in told
    assert "check that mqtt.port is its TLS port, or remove mqtt.tls" in told
    with serving(tmp_path / "with-tls", authority.sign("localhost")) as broker:
        told = refusal(settings_for(broker, None))
        assert "without an answer to MQTT 5 or 3.1.1; check whether mqtt.port and mqtt.tls" in told


def test_files_that_are_of_no_use_are_told_apart(mosquitto: Mosquitto, tmp_path: Path, authority: Authority) -> None:
    ours, other = authority.sign("lobby"), authority.sign("lobby")
    text, encrypted = tmp_path / "text", tmp_path / "encrypted.key"
    text.write_text("no certificate\n")
    passphrase = ("-passout", "pass:secret", "-aes-128-cbc")
    openssl(tmp_path, "pkey", "-in", str(ours.key), "-out", str(encrypted), *passphrase)
    missing = tmp_path / "missing"
    for tls, told in (
        (TlsSettings(ca_file=missing), "in .*missing cannot be used: No such file.*; set mqtt.tls.ca_file"),
        (TlsSettings(ca_file=text), "in .*text cannot be used: it contains no PEM certificate; set mqtt.tls.ca_file"),
        (TlsSettings(ca_file=tmp_path), "cannot be used: Is a directory; set mqtt.tls.ca_file"),
        (TlsSettings(cert_file=missing), "device's certificate in .*missing cannot be read: No such file"),
        (TlsSettings(cert_file=ours.cert, key_file=missing), "private key in .*missing cannot be read.*tls.key_file"),
        (TlsSettings(cert_file=ours.cert), "no certificate or no private key in PEM.*mqtt.tls.key_file"),
        (TlsSettings(cert_file=text, key_file=ours.key), "no certificate or no private key in PEM"),
        (TlsSettings(cert_file=ours.cert, key_file=other.key), "private key in .* belongs to another certificate"),
        (TlsSettings(cert_file=ours.cert, key_file=encrypted), "key is encrypted, and maskd cannot ask.*pkey"),
    ):
        with pytest.raises(MaskdError, match=told):
            connect_once(settings_for(mosquitto, tls))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read a file")
def test_a_key_that_maskd_may_not_read(mosquitto: Mosquitto, authority: Authority) -> None:
    ours = authority.sign("lobby")
    os.seteuid(65534)
    try:
        told = refusal(settings_for(mosquitto, TlsSettings(cert_file=ours.cert, key_file=ours.key)))
    finally:
        os.seteuid(0)
    assert "cannot be read: Permission denied; correct mqtt.tls.cert_file, or let maskd's user read the file" in told


def test_a_key_that_everybody_may_read_is_warned_of_once(
    mosquitto_folder: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    ours = authority.sign("lobby", names="DNS:lobby")
    ours.key.chmod(0o644)
    with serving(mosquitto_folder, authority.sign("localhost")) as broker:
        tls = TlsSettings(ca_file=authority.cert, cert_file=ours.cert, key_file=ours.key)
        with connecting(settings_for(broker, tls)) as client:
            for number in (1, 2):
                wait_until(lambda number=number: client.connection == number)  # type: ignore[misc]
                client.drop("a new connection is wanted")
            wait_until(lambda: client.connection == 3)
    assert caplog.text.count(f"every user of this device can read the secret in {ours.key}") == 1


def test_a_renewed_authority_is_read_without_a_restart(
    mosquitto_folder: Path, tmp_path: Path, authority: Authority, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """And what is wrong until then is reported once, not at every attempt."""
    ca_file = tmp_path / "ca.pem"
    shutil.copy(stranger.cert, ca_file)
    with serving(mosquitto_folder, authority.sign("localhost")) as broker:
        attempts = Counting()
        with connecting(settings_for(broker, TlsSettings(ca_file=ca_file)), attempts) as client:
            wait_until(lambda: attempts.count >= 10, what="ten attempts")
            assert client.connection is None
            shutil.copy(authority.cert, ca_file)
            wait_until(lambda: client.connection == 1, what="the connection")
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert f"none of {ca_file} signed it" in warnings[0]


def test_reasons_that_take_turns_are_reported_once_each(
    mosquitto_folder: Path, tmp_path: Path, authority: Authority, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    ca_file = tmp_path / "ca.pem"
    shutil.copy(stranger.cert, ca_file)
    with serving(mosquitto_folder, authority.sign("localhost")) as broker:
        attempts = Counting()
        with connecting(settings_for(broker, TlsSettings(ca_file=ca_file)), attempts):
            for content in (b"nonsense", stranger.cert.read_bytes()) * 3:
                before = attempts.count
                wait_until(lambda before=before: attempts.count >= before + 2)  # type: ignore[misc]
                ca_file.write_bytes(content)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 2


class Counting(Backoff):
    def __init__(self) -> None:
        super().__init__(0.02, 0.02)
        self.count = 0

    def next(self) -> float:
        self.count += 1
        return super().next()


@contextmanager
def connecting(settings: MqttSettings, backoff: Backoff | None = None) -> Iterator[MqttClient]:
    client = MqttClient(settings, "lobby", backoff=backoff or Backoff(0.02, 0.05))
    client.start()
    try:
        yield client
    finally:
        client.stop()


def test_the_steps_in_the_documentation(mosquitto_folder: Path) -> None:
    """As they stand there, but for the folders and the port."""
    page = (ROOT / "docs" / "mqtt.md").read_text()
    steps = re.findall(r"^```(\w*)\n(.*?)^```$", page.partition("### TLS")[2], re.MULTILINE | re.DOTALL)
    (shell, commands), (_, broker_lines), (yaml_, configuration) = steps[:3]
    assert (shell, yaml_) == ("sh", "yaml")
    mosquitto_folder.mkdir()
    subprocess.run(["sh", "-e", "-c", commands], cwd=mosquitto_folder, check=True, capture_output=True, timeout=30)
    lines = broker_lines.replace("/etc/mosquitto/certs", str(mosquitto_folder)).splitlines()
    broker = Mosquitto(mosquitto_folder, extra=[*lines[1:], "log_type all"])
    assert lines[0] == "listener 8883"
    settings = yaml.safe_load(configuration.replace("/etc/maskd", str(mosquitto_folder)))["mqtt"]
    assert (settings["host"], settings["port"]) == ("broker.local", 8883)
    broker.start()
    try:
        connect_once(MqttSettings(**{**settings, "host": "localhost", "port": broker.port}))
        assert "u'lobby'" in broker.log
    finally:
        broker.stop()
