"""config.yaml: what is read, what is refused, and how the refusal reads."""

from __future__ import annotations

import contextlib
import logging
import random
import re
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.camera.source import V4l2
from edge.config import CameraSettings, Config, DetectorSettings, MqttSettings, Settings, default_device
from edge.config import file as config_file
from edge.config.file import load_config, show_config
from edge.config.schema import all_paths, config_schema
from edge.errors import UsageError
from edge.system.masking import mask_url
from tests.support.places import ROOT

SHIPPED = ROOT / "config.yaml"


def load(folder: Path, text: str | bytes) -> Config:
    path = folder / "config.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config(path)


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        load(folder, text)
    assert caught.value.exit_status == 2
    return str(caught.value).replace(str(folder / "config.yaml"), "config.yaml")


def with_commented_settings(text: str) -> str:
    """The shipped file with its commented TLS section in force, in place of `tls: null`."""
    text, outputs, rest = text.replace("  tls: null\n", "").partition("\n# What the rules act through")
    return re.sub(r"^  # (tls:|  #? ?.*)$", r"  \1", text, flags=re.MULTILINE) + outputs + rest


def missing_keys(model: type[Settings], values: Any, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name not in values:
            yield prefix + name
        elif isinstance(field.default, Settings):
            yield from missing_keys(type(field.default), values[name], f"{prefix}{name}.")


# --- the shipped file ---


def test_the_shipped_file_loads_to_exactly_the_defaults() -> None:
    assert load_config(SHIPPED) == Config()


def test_the_shipped_file_has_every_setting() -> None:
    values = yaml.safe_load(SHIPPED.read_text())
    assert list(missing_keys(Config, values)) == []
    assert set(values["cameras"]["camera"]) == set(CameraSettings.model_fields)


def test_the_shipped_file_shows_tls_in_a_comment(tmp_path: Path) -> None:
    text = with_commented_settings(SHIPPED.read_text())
    tls = yaml.safe_load(text)["mqtt"]["tls"]
    assert set(tls) == {"ca_file", "cert_file", "key_file", "min_version"}
    assert load(tmp_path, text).mqtt.tls is not None


def test_every_setting_is_described() -> None:
    schema = config_schema()
    parts = [schema, *schema["$defs"].values()]
    undescribed = [
        name for part in parts for name, setting in part["properties"].items() if not setting.get("description")
    ]
    assert undescribed == []


def test_the_schema_accepts_the_shipped_file_and_refuses_a_wrong_one() -> None:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    values = yaml.safe_load(SHIPPED.read_text())
    jsonschema.validate(values, schema)
    values["mqtt"]["prot"] = 1
    with pytest.raises(jsonschema.ValidationError, match="prot"):
        jsonschema.validate(values, schema)


# --- what people write ---


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("device: on", "device", "on"),
        ("device: 12", "device", "12"),
        ("device: 1_30", "device", "1_30"),
        ("mqtt: {protocol: 5}", "mqtt.protocol", "5"),
        ('mqtt: {protocol: "5"}', "mqtt.protocol", "5"),
        ("mqtt: {protocol: 3.1.1}", "mqtt.protocol", "3.1.1"),
        ("cameras: {door: {source: 0}}", "cameras.door.source.text", "0"),
        ("cameras: {1: {source: 0}}", "cameras.1.source.text", "0"),
        ("cameras: {door: {source: 0, rotate: 90}}", "cameras.door.rotate", 90),
        ("cameras: {door: {source: 0, loop: yes}}", "cameras.door.loop", True),
        ("cameras: {door: {source: 0, enabled: off}}", "cameras.door.enabled", False),
        ("mqtt: {port: 8883}", "mqtt.port", 8883),
        ("mqtt: {username: 007}", "mqtt.username", "007"),
        ("mqtt: {username: ~}", "mqtt.username", None),
        ("detector:\n  # min_score: 0.5\n", "detector.nms_iou", 0.5),
        ("storage: {path: 2024-01-01}", "storage.path", Path("2024-01-01")),
        ("\ufeffdevice: lobby", "device", "lobby"),
    ],
)
def test_plain_scalars_mean_what_they_say(tmp_path: Path, text: str, path: str, value: object) -> None:
    found: Any = load(tmp_path, text)
    for step in path.split("."):
        found = found[step] if isinstance(found, dict) else getattr(found, step)
    assert found == value


def test_settings_made_in_code_take_numbers_too() -> None:
    assert CameraSettings.model_validate({"source": 0}).source == V4l2("0", "/dev/video0")
    assert MqttSettings.model_validate({"protocol": 5}).protocol == "5"
    with pytest.raises(ValueError, match="source"):
        CameraSettings.model_validate({"source": True})


def test_the_default_device_is_safe_in_a_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    for host, device in {
        "pi.lan": "pi-lan",
        "büro/+#": "b-ro",
        "": "maskd",
        "-x-" * 40: "x-" + "-x-" * 20 + "-x",
    }.items():
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        assert default_device() == device
        assert Config.model_validate({"device": device}).device == Config().device == device


# --- what is refused ---


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
devise: lobby
cameras:
  door:
    source: demo
    fps: fast
    rotat: 90
detector:
  low_score: 0.6
  min_score: 0.5
mqtt:
  protocol: 3.11
  port: 99999
  tls: {key_file: /dev/null}
"""
    assert refusal(tmp_path, text) == "\n".join(
        [
            'config.yaml:1:1: devise: there is no such setting; did you mean "device"?',
            "    devise: lobby",
            "    ^",
            'config.yaml:5:10: cameras.door.fps: "fast" is not valid; it must be a number above 0 and at most 120 '
            "(Frames per second requested from a live camera)",
            "        fps: fast",
            "             ^",
            'config.yaml:6:5: cameras.door.rotat: there is no such setting; did you mean "rotate"?',
            "        rotat: 90",
            "        ^",
            "config.yaml:8:14: detector.low_score: 0.6 is above detector.min_score, 0.5; the score for carrying on a "
            "track must be the lower of the two",
            "      low_score: 0.6",
            "                 ^",
            'config.yaml:11:13: mqtt.protocol: "3.11" is not valid; it must be one of auto, 5, 3.1.1; '
            'did you mean "3.1.1"?',
            "      protocol: 3.11",
            "                ^",
            'config.yaml:12:9: mqtt.port: "99999" is not valid; it must be a whole number from 1 to 65535 '
            "(The broker's TCP port: usually 1883, or 8883 with TLS)",
            "      port: 99999",
            "            ^",
            "config.yaml:13:19: mqtt.tls.key_file: a private key needs its certificate; set mqtt.tls.cert_file as well",
            "      tls: {key_file: /dev/null}",
            "                      ^",
        ]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", ":1:1: the file must contain `name: value` lines"),
        ("mqtt:\n\thost: x\n", ":2:1: there is a tab where YAML allows only spaces"),
        ("device: a\ndevice: b\n", ":2:1: device: appears twice, first on line 1"),
        ("mqtt: {port: 1, port: 2}\n", ":1:17: mqtt.port: appears twice, first on line 1"),
        ("device: 'lobby\n", ":1:9: a quote that opens here is never closed"),
        ("cameras: {a: [\n", ":1:14: a bracket that opens here is never closed"),
        ("device: a: b\n", ":1:10: there is a colon where no value can begin"),
        ("mqtt:\n  host\n  port: 1\n", ":3:7: there is a colon where no value can begin"),
        ("device: a\nmqtt\ncameras: {}\n", ":2:1: a name has no colon"),
        ("device: a\n---\ndevice: b\n", ":2:1: a second YAML document"),
        ("device: *name\n", ":1:9: is not valid YAML: found undefined alias 'name'"),
        ("device: @x\n", ":1:9: is not valid YAML"),
        ("device: \x00\n", ":1:9: the character U+0000 is not allowed"),
        ("device: !!python/name:os.system x\n", ":1:9: device: the tag !!python/name:os.system has no meaning here"),
        ("mqtt: {<<: {port: 1}}\n", ":1:8: mqtt: merging with << is not supported"),
        ("? [a]\n: b\n", ":1:3: a list or section cannot be the name"),
        ("x: &x [*x]\n", "its aliases (*name) expand to more than"),
        ("[" * 100_000, ":1:21: is nested more than 20 levels deep"),
        ("a:\n" + "".join(" " * i + "- \n" for i in range(1, 50)), "is nested more than 20 levels deep"),
        ("x" * 2_000_000, "is longer than 1,000,000 characters"),
        (b"device: b\xfcro\n", ":1: the file is not UTF-8 text"),
        ("device: lobby\nmqtt: {}\n".encode("utf-16"), ":1: the file is not UTF-8 text"),
        ("cameras:\n", ":1:9: cameras: has no value; it must be a section with at least one name"),
        ("cameras: {}\n", ":1:10: cameras: is an empty section; it must be a section with at least one name"),
        ("cameras: {door: {}}\n", ":1:11: cameras.door.source: is missing; add a line `source: ...`"),
        ("cameras: {door/1: {source: 0}}\n", ':1:11: cameras.door/1: "door/1" is not a valid name'),
        ("cameras: {a: {source: ''}}\n", 'cameras.a.source: "" is not valid; it must be text that is not empty'),
        ("cameras: {a: {source: 0}, b: {source: /dev/video0}}\n", 'b.source: the camera "a" uses /dev/video0 already'),
        ("cameras: {a: {source: picamera}, b: {source: 'picamera:0'}}\n", 'the camera "a" uses picamera:0 already'),
        ("cameras: {a: {source: 'csi:1'}, b: {source: 'csi:1'}}\n", 'the camera "a" uses csi:1 already'),
        ("host: x\n", ':1:1: host: there is no such setting here; did you mean "mqtt.host"?'),
        ("zzz: x\n", ":1:1: zzz: there is no such setting; valid here: device, privacy, log_level, cameras"),
        ("MQTT: {}\n", 'did you mean "mqtt"?'),
        ("mqtt: {keepalive-s: 5}\n", 'did you mean "keepalive_s"?'),
        ("log_level: warn\n", 'did you mean "warning"?'),
        ("device: a b\n", 'device: "a b" is not valid; it must be 1 to 64 letters'),
        ("runtime: {threads: true}\n", 'runtime.threads: "true" is not valid; it must be a whole number from 1 to 64'),
        (
            "tracking: {lost_after_s: .inf}\n",
            'tracking.lost_after_s: ".inf" is not valid; it must be a number at least 0',
        ),
        ("tracking: {lost_after_s: inf}\n", "tracking.lost_after_s"),
        ("tracking: {match_iou: nan}\n", "tracking.match_iou"),
        ("classifier: {min_confidence: 1.5}\n", "it must be a number from 0 to 1, or null"),
        ("tracking: 5\n", 'tracking: "5" is not valid; it must be a section with these settings: match_iou'),
        (
            "compliance: {compliant: with_mask}\n",
            'compliance.compliant: "with_mask" is not valid; it must be a list of',
        ),
        ("mqtt: {prefix: a b}\n", "mqtt.prefix"),
        ("mqtt: {username: a, password_file: /nowhere/pw}\n", "password_file: there is no file /nowhere/pw"),
        ("mqtt: {username: a, password_file: /}\n", "password_file: / is a folder"),
        ("mqtt: {password_file: /dev/null}\n", "password_file: a password needs a user name"),
        ("mqtt: {tls: {ca_file: /nowhere/ca.pem}}\n", ":1:23: mqtt.tls.ca_file: there is no file"),
        (
            "cameras: {a: {source: 0, zones: {z: {corners: [[0,0],[1,1]]}}}}\n",
            "zones.z.corners: is a list of 2; it must be a list of at least 3",
        ),
        (
            "cameras: {a: {source: 0, zones: {z: {corners: [[0,0],[1,1],[2,0]]}}}}\n",
            'zones.z.corners[2][0]: "2" is not valid',
        ),
        (
            "cameras: {a: {source: 0, zones: {z: {corners: [[0,0],[.5,.5],[1,1]]}}}}\n",
            "zones.z.corners: the corners are on one line",
        ),
        (
            "cameras: {a: {source: 0, zones: {z: {corners: [[0,0],[1,1],[1,0],[0,1]]}}}}\n",
            "zones.z.corners: the outline crosses itself",
        ),
        (
            "cameras: {a: {source: 0, zones: {z: {corners: [[0,0,0],[1,1],[1,0]]}}}}\n",
            "zones.z.corners[0]: is a list of 3; it must be a list of 2",
        ),
    ],
)
def test_refusals(tmp_path: Path, text: str | bytes, expected: str) -> None:
    report = refusal(tmp_path, text)
    assert expected in report
    assert all(len(line) < 500 for line in report.splitlines())


@pytest.mark.parametrize("path", sorted(all_paths(config_schema())))
def test_a_value_of_another_kind_is_refused_for_every_setting(tmp_path: Path, path: str) -> None:
    """Or means something there, as 5 does for most."""
    refused = 0
    for value in ("5", "word word", "[1, 2]", "{a: {b: c}}", "null"):
        text = value
        for key in reversed(path.replace("<name>", "door").split(".")):
            text = f"{{{key}: {text}}}"
        with contextlib.suppress(UsageError):
            load(tmp_path, text)
            continue
        refused += 1
    assert refused > 0


def test_aliases_that_multiply_are_refused_quickly(tmp_path: Path) -> None:
    letters = "abcdefghij"
    bomb = f"a: &a [{', '.join(['x'] * 9)}]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise(letters)
    )
    assert "its aliases (*name) expand to more than" in refusal(tmp_path, bomb)


def test_a_harmless_alias_works(tmp_path: Path) -> None:
    zone = "{corners: [[0, 0], [1, 0], [1, 1]]}"
    config = load(
        tmp_path, f"cameras:\n  a: {{source: 0, zones: {{z: &z {zone}}}}}\n  b: {{source: 1, zones: {{z: *z}}}}\n"
    )
    assert config.cameras["b"].zones == config.cameras["a"].zones != {}


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no configuration file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="is a folder"):
        load_config(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(Path("a\0b"))
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(SHIPPED / "below-a-file")


def test_models_made_in_code_refuse_contradictions() -> None:
    with pytest.raises(ValueError, match=r"above detector\.min_score"):
        DetectorSettings(min_score=0.2, low_score=0.3)


# --- secrets ---


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("rtsp://user:secret@host:554/cam", "rtsp://user:***@host:554/cam"),
        ("rtsp://user:s@e/c:r@host/cam", "rtsp://user:***@host/cam"),
        ("rtsp://:secret@host/cam", "rtsp://:***@host/cam"),
        ("http://host/snap.cgi?user=a&pwd=secret&x=1", "http://host/snap.cgi?user=a&pwd=***&x=1"),
        ("http://host/snap?access_token=secret", "http://host/snap?access_token=***"),
        ("no frame from rtsp://user:secret@host/cam: timed out", "no frame from rtsp://user:***@host/cam: timed out"),
        ("rtsp://host:554/cam", "rtsp://host:554/cam"),
        ("rtsp://user@host/cam", "rtsp://user@host/cam"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_mask_url(address: str, masked: str) -> None:
    assert mask_url(address) == masked


def test_passwords_are_masked_wherever_a_configuration_is_shown(tmp_path: Path) -> None:
    text = (
        "cameras: {a: {source: rtsp://me:hunter2@host/x, lop: true}, b: {source: rtsp://me:hunter2@host, fps: rtsp://me:hunter2@h}}\n"
        "mqtt: {password: hunter2}\n"
        "apikey: hunter2\n"
    )
    report = refusal(tmp_path, text)
    assert report.count("***") >= 4
    assert "hunter2" not in report
    line, caret = report.splitlines()[1:3]
    assert line[caret.index("^") :].startswith("lop")
    shown = show_config(load(tmp_path, "cameras: {a: {source: 'rtsp://me:hunter2@host/x'}}"))
    assert "rtsp://me:***@host/x" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "mqtt:\n  pasword: hunter2\n",
        "mqtt:\n  pasword: 'hunter2 x\n",
        "mqtt: {passwort: hunter2, port: 0}",
        "mqtt: {login: 'lobby hunter2'}",
        "mqtt: {password_file: hunter2}",
        "mqtt: {host: 'lobby:hunter2@broker'}",
        "cameras: {door: {url: 'host/hunter2'}}",
        "cameras: {door: {source: 'rtsp:/host/hunter2'}}",
        "cameras: {door: {source: 'rtsp//host/hunter2'}}",
        "cameras: {door: {source: 'rtsp;//host/hunter2'}}",
        "cameras: {rtsp://host/hunter2: {source: 0}}",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in refusal(tmp_path, text)


def test_a_harmless_value_under_a_wrong_name_is_shown(tmp_path: Path) -> None:
    assert "    detector: {min_scor: 0.4}\n" in refusal(tmp_path, "detector: {min_scor: 0.4}")


def test_show_config_loads_to_the_same_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, "device: büro\n".replace("ü", "ue") + "detector: {min_score: 0.4}\nmqtt: {tls: {}}\n")
    assert load(tmp_path, show_config(config)) == config


# --- where the file is looked for ---


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    here, etc = tmp_path / "here.yaml", tmp_path / "etc.yaml"
    monkeypatch.setattr(config_file, "SEARCH_PATHS", (here, etc))
    assert load_config(None) == Config()
    assert "every setting has its default" in caplog.text
    etc.write_text("device: from-etc")
    assert load_config(None).device == "from-etc"
    assert f"configuration: {etc}" in caplog.text
    here.write_text("device: from-here")
    assert load_config(None).device == "from-here"


# --- anything at all ---

FRAGMENTS = [
    "\t",
    "\0",
    "&a ",
    "*a",
    "!!int ",
    "{",
    "]",
    "'",
    '"',
    ": ",
    "- ",
    "\n",
    "---\n",
    "é",
    "\ud7ff",
    "null",
    "[[",
    "? ",
    "| ",
    "<<: ",
    "%",
    "1e999",
    "-1",
]


def mutated(text: str, seed: int) -> str:
    """The text after a few accidents: parts lost, doubled, swapped or replaced."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 6)):
        lines = text.splitlines(keepends=True)
        i, at = chance.randrange(len(lines) or 1), chance.randrange(len(text) or 1)
        match chance.randrange(5):
            case 0:
                text = text[:at] + chance.choice(FRAGMENTS) + text[at:]
            case 1:
                text = text[:at] + text[at + chance.randint(1, 20) :]
            case 2:
                text = "".join(lines[:i] + lines[i : i + 1] * 2 + lines[i + 1 :])
            case 3:
                text = "".join(
                    lines[:i]
                    + [re.sub("^ *", " " * chance.randint(0, 3), line) for line in lines[i : i + 1]]
                    + lines[i + 1 :]
                )
            case 4:
                text = re.sub(
                    r": .+", lambda m: ": " + chance.choice([*FRAGMENTS, m[0]]), text, count=chance.randint(1, 30)
                )
    return text


@given(seed=st.integers(0, 2**32))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_files_raise_nothing_but_usage_errors(tmp_path: Path, seed: int) -> None:
    compact = "".join(
        line for line in SHIPPED.read_text().splitlines(keepends=True) if not line.strip().startswith("#")
    )
    with contextlib.suppress(UsageError):
        assert isinstance(load(tmp_path, mutated(compact, seed)), Config)


@given(data=st.binary(max_size=200))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_bytes_raise_nothing_but_usage_errors(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UsageError):
        load(tmp_path, b"x" + data)
