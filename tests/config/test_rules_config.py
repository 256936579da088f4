"""Rules and outputs in config.yaml: what is refused, and how the refusal reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import Config
from edge.config.file import parse_config, show_config
from edge.config.template import PLACEHOLDERS
from edge.errors import UsageError
from edge.payloads.action import Action
from edge.people.known_statuses import require_known_statuses

OUTPUTS = "outputs: {webhook: {chat: {url: https://chat.example.org/hooks/s3cret}}}\n"
CAMERAS = "cameras: {door: {source: demo, zones: {ward: {corners: [[0, 0], [1, 0], [1, 1]]}}}, yard: {source: demo}}\n"


def config(text: str) -> Config:
    return parse_config(text, Path("config.yaml"))


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        config(text)
    return str(caught.value)


def test_a_rule_needs_no_more_than_an_output() -> None:
    rule = config(OUTPUTS + "rules: {remind: {do: [chat]}}").rules["remind"]
    assert rule.when.event == ["started", "changed"]
    assert rule.at_most.once_per_person


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("do: [chta]", 'rules.remind.do: there is no output "chta"; did you mean "chat"?'),
        ("do: [lamp]", 'there is no output "lamp"; there is chat'),
        ("do: []", "rules.remind.do: is an empty list"),
        ("when: {}", "rules.remind.do: is missing; add a line `do: ...`"),
        ("do: [chat], when: {cameras: [dor]}", 'when.cameras: there is no camera "dor"; did you mean "door"?'),
        ("do: [chat], when: {zones: [wart]}", 'rules.remind.when.zones: there is no zone "wart"; did you mean "ward"?'),
        ("do: [chat], when: {cameras: [yard], zones: [ward]}", 'there is no zone "ward"; there is none'),
        ("do: [chat], when: {statuss: [x]}", 'there is no such setting; did you mean "status"?'),
        ("do: [chat], when: {between: '8-18'}", "it must be a part of the day, such as 22:00-06:00"),
        ("do: [chat], when: {between: '08:00-08:00'}", "begin and end are the same"),
        ("do: [chat], when: {weekdays: [monday]}", 'did you mean "mon"?'),
        ("do: [chat], when: {people_over: 3, dwell_s: 4}", "rules.remind.when.dwell_s: this is about one person"),
        ("do: [chat], when: {people_over: 3, nobody_complied_min: 4}", "a rule has one occasion"),
        ("do: [chat], when: {nobody_complied_min: 4, status: [x]}", "when.status: this is about one person"),
    ],
)
def test_a_mistake_in_a_rule_is_named_with_its_place(rule: str, problem: str) -> None:
    report = refusal(CAMERAS + OUTPUTS + f"rules: {{remind: {{{rule}}}}}")
    assert problem in report
    assert report.startswith("config.yaml:3:")


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("{}", "it needs an address; set url or url_file"),
        ("{url: chat.example.org}", "it must be a web address"),
        ("{url: 'https://a/b', url_file: /x}", "the address is in url already"),
        ("{url: 'https://a/b', template: '{text}'}", "it is not JSON"),
        ("{url: 'https://a/b', template: '\"{txt}\"'}", 'there is no placeholder {txt}; did you mean "{text}"?'),
    ],
)
def test_a_mistake_in_a_webhook_is_named(output: str, problem: str) -> None:
    assert problem in refusal(f"outputs: {{webhook: {{chat: {output}}}}}")


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ("{lamp: {}}", "outputs.gpio.lamp.pin: is missing; add a line `pin: ...`"),
        ("{lamp: {pin: 28}}", "it must be a whole number from 0 to 27"),
        ("{lamp: {pin: 17, active: on}}", "it must be one of high, low"),
        ("{lamp: {pin: 17, mode: whilst}}", 'did you mean "while"?'),
        (
            "{lamp: {pin: 17}, horn: {pin: 18}, door: {pin: 17}}",
            'gpio.door.pin: the output "lamp" has this pin already',
        ),
    ],
)
def test_a_mistake_in_a_gpio_output_is_named(outputs: str, problem: str) -> None:
    assert problem in refusal(f"outputs: {{gpio: {outputs}}}")


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("{}", "it needs something to play; set file or say"),
        ("{file: /x.wav, say: hello}", "outputs.sound.please.say: a file is played already"),
        ("{say: 'hello {sttus}'}", 'there is no placeholder {sttus}; did you mean "{status}"?'),
        ("{say: hello, volume: 101}", "it must be a whole number from 0 to 100"),
        ("{say: hello, device: '-D x'}", "it must be a name that `aplay -L` lists"),
        ("{say: hello, device: 'file:/etc/passwd'}", "it must be a name that `aplay -L` lists"),
        ("{say: hello, language: '-f'}", "it must be a language that `espeak-ng --voices` lists"),
        ("{say: hello, quiet: 22-6}", "it must be a part of the day"),
    ],
)
def test_a_mistake_in_a_sound_output_is_named(output: str, problem: str) -> None:
    assert problem in refusal(f"outputs: {{sound: {{please: {output}}}}}")


def test_the_address_of_a_webhook_is_shown_nowhere() -> None:
    shown = show_config(config(OUTPUTS))
    assert "https://chat.example.org/***" in shown
    assert "s3cret" not in shown
    assert "s3cret" not in refusal(OUTPUTS.replace("}}}", ", x: 1}}}"))
    assert "s3cret" not in refusal("outputs: {webhook: {chat: {url: s3cret}}}")
    assert any("s3cret" in secret for secret in config(OUTPUTS).secrets)


def test_placeholders_are_what_an_action_has() -> None:
    hidden = {"schema_name", "id", "recovered"}
    assert set(PLACEHOLDERS) == Action.model_fields.keys() - hidden


@pytest.mark.parametrize("labels", [("with_mask", "without_mask"), ("ok", "bare", "askew")])
def test_statuses_are_the_labels_of_the_classifier(labels: tuple[str, ...]) -> None:
    good = OUTPUTS + f"rules: {{remind: {{do: [chat], when: {{status: [{labels[1]}, unknown]}}}}}}"
    require_known_statuses(config(good), labels)
    with pytest.raises(UsageError, match=r'rules.remind.when.status: there is no status "mask_weared_incorrect"'):
        require_known_statuses(config(good.replace(labels[1], "mask_weared_incorrect")), labels)


MAIL = "host: mail.example.org, sender: a@example.org, recipients: [b@example.org]"


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("{sender: a@b.c, recipients: [a@b.c]}", "outputs.mail.desk.host: is missing"),
        ("{host: h, sender: a@b.c, recipients: []}", "outputs.mail.desk.recipients: is an empty list"),
        ("{host: h, sender: Door <a@b.c>, recipients: [a@b.c]}", "it must be a mail address alone"),
        ("{host: h, sender: a@b.c, recipients: ['a@b.c\\n']}", "it must be a mail address alone"),
        ("{host: h, sender: a@b.c, recipients: ['a@b.c, d@e.f']}", "it must be a mail address alone"),
        ("{host: 'smtp://mail.example.org:25', sender: a@b.c, recipients: [a@b.c]}", "its port goes into port"),
        (f"{{{MAIL}, tls: none, username: x}}", "desk.tls: it would send the login unencrypted"),
        (f"{{{MAIL}, tls: none, ca_file: /x}}", "desk.ca_file: there is no certificate without TLS"),
        (f"{{{MAIL}, password_file: /x}}", "a password needs a user name; set username as well"),
        (f"{{{MAIL}, subject: '{{txt}}'}}", 'there is no placeholder {txt}; did you mean "{text}"?'),
        (f"{{{MAIL}, digest_min: 0}}", "outputs.mail.desk.digest_min"),
    ],
)
def test_a_mistake_in_mail_is_named(output: str, problem: str) -> None:
    assert problem in refusal(f"outputs: {{mail: {{desk: {output}}}}}")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "'::1'"])
def test_mail_may_log_in_without_tls_at_this_device(host: str) -> None:
    mail = MAIL.replace("mail.example.org", host)
    assert (
        config(f"outputs: {{mail: {{desk: {{{mail}, tls: none, username: x}}}}}}").outputs.mail["desk"].effective_port
        == 25
    )


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("{}", "outputs.mqtt.alarm.topic: is missing"),
        *(
            (f"{{topic: '{topic}'}}", "alarm.topic: it must be a topic such as alarms/{camera}, without +, #, spaces")
            for topic in ("a/+", "a/#", "$SYS/x", "/a", "a/", "a//b", "a b", "a\tb", " ")
        ),
        ("{topic: 'a/{camra}'}", 'there is no placeholder {camra}; did you mean "{camera}"?'),
        (
            "{topic: maskd/lobby/door/event}",
            "alarm.topic: maskd/lobby/ is for maskd's own topics; begin it with a word",
        ),
        ("{topic: maskd/lobby}", "maskd/lobby/ is for maskd's own topics"),
        ("{topic: 'maskd/{device}/x'}", "maskd/lobby/ is for maskd's own topics"),
        ("{topic: 'm{rule}/lo{status}/x'}", "maskd/lobby/ is for maskd's own topics"),
        ("{topic: 'maskd/{zones}'}", "maskd/lobby/ is for maskd's own topics"),
        ("{topic: homeassistant/sensor/x/config}", "homeassistant/ is for what Home Assistant is told"),
        ("{topic: '{camera}/x'}", "homeassistant/ is for what Home Assistant is told"),
        ("{topic: a, payload: '{\"a\": {text}}'}", "alarm.payload: it is not JSON"),
        ("{topic: a, payload: '{txt}'}", "there is no placeholder {txt}"),
    ],
)
def test_a_mistake_in_a_message_is_named(output: str, problem: str) -> None:
    assert problem in refusal(f"device: lobby\noutputs: {{mqtt: {{alarm: {output}}}}}")


@pytest.mark.parametrize("topic", ["maskd/gate/x", "alarms/{camera}", "maskdx/lobby", "{device}/x", "x{rule}"])
def test_a_message_may_be_anywhere_else(topic: str) -> None:
    assert (
        config(f"device: lobby\noutputs: {{mqtt: {{alarm: {{topic: '{topic}'}}}}}}").outputs.mqtt["alarm"].topic
        == topic
    )


def test_messages_need_the_broker() -> None:
    report = refusal("mqtt: {enabled: false}\noutputs: {mqtt: {alarm: {topic: a/b}}}")
    assert "outputs.mqtt.alarm: it needs the broker, and mqtt.enabled is false; set that to true" in report
