"""The broker's host, the topic prefixes and the paths of the configuration, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import Config
from edge.config.file import load_config
from edge.errors import UsageError


def load(folder: Path, text: str) -> Config:
    (folder / "config.yaml").write_text(text)
    return load_config(folder / "config.yaml")


@pytest.mark.parametrize("host", ["localhost", "10.0.0.5", "broker.example.org", "my_broker", "::1", "fe80::1", "a.b."])
def test_a_host_alone_is_taken(tmp_path: Path, host: str) -> None:
    assert load(tmp_path, f"mqtt: {{host: '{host}'}}\n").mqtt.host == host


@pytest.mark.parametrize(
    ("host", "advice"),
    [
        ("mqtt://10.0.0.5", "without mqtt://; write host: 10.0.0.5"),
        ("MQTT://broker", "without mqtt://; write host: broker"),
        ("tcp://broker", "without tcp://; write host: broker"),
        ("mqtt://broker:1884", "without mqtt:// and the port 1884; write host: broker and port: 1884"),
        ("mqtt://broker/", "without mqtt:// and a path; write host: broker"),
        ("mqtts://broker", "write host: broker, port: 8883 and tls: {}"),
        ("ssl://broker:8884", "write host: broker, port: 8884 and tls: {}"),
        ("mqtt://me:secret@broker", "write host: broker and username: ... and password_file: ..."),
        ("me:secret@broker", "write host: broker and username: ... and password_file: ..."),
        ("ws://broker:9001/mqtt", "WebSockets are not supported; write only the host name, host: broker"),
        ("http://broker", "http:// is not MQTT; write only the host name, host: broker"),
        ("broker:1883", "without the port 1883; write host: broker and port: 1883"),
        ("10.0.0.5:8883", "write host: 10.0.0.5 and port: 8883"),
        ("[::1]", 'without brackets; write host: "::1"'),
        ("[::1]:1884", 'write host: "::1" and port: 1884'),
        ("mqtt://[::1]", 'write host: "::1"'),
        ("broker/", "without a path; write host: broker"),
        (" broker ", "without a space; write host: broker"),
        ("my broker", "a host name cannot contain a space"),
        ("broker:port", "write the port, if it is one, as mqtt.port"),
        ("mqtt://", "it has no host"),
    ],
)
def test_what_stands_around_a_host_is_answered_with_the_right_lines(tmp_path: Path, host: str, advice: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(tmp_path, f"mqtt: {{host: '{host}'}}\n")
    assert ":1:14: mqtt.host: " in str(refused.value)
    assert advice in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["mqtt: {prefix: '%s'}", "mqtt: {homeassistant: {prefix: '%s'}}"])
@pytest.mark.parametrize(
    ("prefix", "meant"), [("maskd/", "maskd"), ("/maskd", "maskd"), ("a//b", "a/b"), ("//site/a//", "site/a")]
)
def test_no_prefix_has_an_empty_level(tmp_path: Path, key: str, prefix: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f'"{prefix}" has one / too many, .*; write {meant}\n'):
        load(tmp_path, key % prefix + "\n")
    load(tmp_path, key % meant + "\n")


@pytest.mark.parametrize("prefix", ["$SYS", "a+", "a/#", "a b", "/", "$x/"])
def test_what_a_topic_cannot_carry_is_no_prefix(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(UsageError, match="it must be one or more levels with a single / between them"):
        load(tmp_path, f"mqtt: {{prefix: '{prefix}'}}\n")


def test_a_tilde_is_the_home_folder_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("user", "password", "ca.pem", "cert.pem", "key.pem"):
        (home / name).write_text("x\n")
    config = load(
        tmp_path,
        "cameras: {door: {source: ~/visit.mp4}}\n"
        "detector: {model: ~/face.tflite}\n"
        "classifier: {model: ~/mask.tflite}\n"
        "runtime: {delegate: ~/delegate.so}\n"
        "mqtt:\n"
        "  username_file: ~/user\n"
        "  password_file: ~/password\n"
        "  tls: {ca_file: ~/ca.pem, cert_file: ~/cert.pem, key_file: ~/key.pem}\n"
        "storage: {path: ~/store}\n",
    )
    tls = config.mqtt.tls
    assert tls is not None
    assert config.storage.path == home / "store"
    assert (config.mqtt.username_file, config.mqtt.password_file) == (home / "user", home / "password")
    assert (tls.ca_file, tls.cert_file, tls.key_file) == (home / "ca.pem", home / "cert.pem", home / "key.pem")
    assert (config.detector.model, config.classifier.model) == (f"{home}/face.tflite", f"{home}/mask.tflite")
    assert config.runtime.delegate == f"{home}/delegate.so"
    with pytest.raises(UsageError, match=r"mqtt\.password_file: there is no file ~/missing"):
        load(tmp_path, "mqtt: {username: me, password_file: ~/missing}\n")
    with pytest.raises(UsageError, match=r"storage\.path: there is no home folder for ~no-such-user"):
        load(tmp_path, "storage: {path: ~no-such-user/store}\n")
