"""What is seen, kept, for how long, and sent to whom, by the configuration in effect: for the notice at the door."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from edge.config import Config
from edge.mqtt.login import commands_enabled
from edge.report.style import STYLE


@dataclass(frozen=True, slots=True)
class Part:
    heading: str
    sentences: Sequence[str]


def parts(config: Config) -> list[Part]:
    return [
        Part("What is seen", [*_seen(config)]),
        Part("What is kept on the device, and for how long", [*_kept(config)]),
        Part("What is sent, and to whom", [*_sent(config)]),
        Part("Who may look or change settings", [*_who(config)]),
    ]


def as_text(config: Config, made: str) -> str:
    """`made`: the date and the version of maskd."""
    lines = [_title(config), f"As of {made}", "", *(f"{question}: {'_' * 20}" for question in TO_FILL_IN), ""]
    for part in parts(config):
        lines += [part.heading, *(f"- {sentence}" for sentence in part.sentences), ""]
    return "\n".join([*lines, _FOOT, ""])


def as_html(config: Config, made: str) -> str:
    """One page of A4. `made`: the date and the version of maskd."""
    title = escape(_title(config))
    blanks = "".join(f"<tr><td>{escape(question)}</td><td></td></tr>" for question in TO_FILL_IN)
    sections = "".join(
        f"<section><h2>{escape(part.heading)}</h2><ul>"
        + "".join(f"<li>{escape(sentence)}</li>" for sentence in part.sentences)
        + "</ul></section>"
        for part in parts(config)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body class="sheet"><h1>{title}</h1><p class="soft">As of {escape(made)}</p><table>{blanks}</table>'
        f'{sections}<p class="soft">{escape(_FOOT)}</p></body></html>\n'
    )


TO_FILL_IN = ("Who is responsible", "Contact, data-protection officer", "Purpose and legal basis")
"""What the configuration does not know, and every notice needs."""
_FOOT = "Made from the configuration in effect: maskd report --privacy. Print it again after a change of settings."


def _title(config: Config) -> str:
    return f"Cameras that look for masks: {config.device}"


def _seen(config: Config) -> Iterator[str]:
    for name, camera in config.cameras.items():
        state = "" if camera.enabled else ", switched off at present"
        zones = f", with the zones {', '.join(camera.zones)}" if camera.zones else ""
        yield f"Camera {name}{state}{zones}: faces are found in its pictures, and each is judged by how a mask is worn."
    yield (
        "Pictures are judged in memory on this device. Nobody is recognized: there are no names, and no face is "
        "compared with another. Sound is not used."
    )
    if config.privacy == "events":
        yield "Each visit gets a random number, which is new for every visit and says nothing of who it was."
    else:
        yield "Privacy is aggregate: nothing is kept or sent about a single person, only counts."


def _kept(config: Config) -> Iterator[str]:
    storage = config.storage
    if config.privacy == "aggregate":
        yield (
            "No events of single people are recorded. Those recorded before privacy was aggregate stay until they are "
            "too old."
        )
    if storage.keep_days:
        yield (
            f"Events (time, camera, zone, how the mask is worn, how long) for {storage.keep_days:g} days, at most "
            f"{_megabytes(storage.keep_bytes)}, and when cameras gave pictures."
        )
    else:
        yield "No record of events."
    yield (
        f"Events that the broker has not taken yet, until it has, at most {storage.max_events:,} or "
        f"{_megabytes(storage.max_bytes)}."
    )
    if config.outputs.webhook and config.privacy == "events":
        yield "What a server that rules call has not taken yet, until it has; then it goes."
    yield "Numbers of visits and violations of each camera, without a time limit."
    if config.privacy == "events" and storage.keep_days:
        yield f"A coarse map of where people stood, and how many were in each zone, for {storage.keep_days:g} days."
    yield (
        "Changes of settings and who made them, and who signed in at the page, downloaded events or made a backup, for "
        f"{storage.audit_days:g} days."
    )
    if config.keeps_snapshots:
        snapshots = config.snapshots
        yield (
            f"A picture of each person who appears or changes status, faces {snapshots.faces}, for "
            f"{snapshots.keep_days:g} days, at most {_megabytes(snapshots.keep_bytes)}."
        )
    else:
        yield "No pictures are kept, except clips that the administrator has put on the device to try settings with."
    if config.report.folder is not None and config.privacy == "events":
        yield f"A report of each week, counts alone, for {config.report.keep_weeks} weeks."
    events = "each event, and " if config.privacy == "events" else ""
    yield f"In the system's log, as long as that keeps its lines: {events}the addresses of those who signed in."
    yield (
        "Nothing of it can be looked up by a person's name. It goes by age, or at once: stop maskd, and delete record, "
        f"places, snapshots and actions.db in {storage.path}."
    )


def _sent(config: Config) -> Iterator[str]:
    mqtt = config.mqtt
    if not mqtt.enabled:
        yield "Nothing is sent to a broker."
    else:
        how = "unencrypted" if mqtt.tls is None else "encrypted (TLS)"
        what = (
            "events of single people, how many are present, and counts"
            if config.privacy == "events"
            else f"counts of windows of {config.counting_window_s:g} seconds"
        )
        yield f"To the MQTT broker {mqtt.host}, port {mqtt.port}, {how}: {what}, and how the device is doing."
        if config.publishes_snapshots:
            yield "To the same broker: the latest of these pictures of each camera."
        if mqtt.homeassistant.enabled:
            yield "Home Assistant at that broker is told that the device is there, and may read the same."
        yield "What others who may read at that broker do with it is not in the hands of this device."
    if config.report.mail is not None and config.privacy == "events":
        mail = config.outputs.mail[config.report.mail]
        yield (
            f"By mail to {', '.join(mail.recipients)}, through the server {mail.host}: the report of each week, which "
            "counts visits and shows no single one."
        )
    yield from _outputs(config)
    yield "Nothing is sent to the makers of maskd, nor to any cloud."


def _outputs(config: Config) -> Iterator[str]:
    """What rules send to others."""
    if config.privacy == "aggregate":
        if config.rules:
            yield "No rule acts, since privacy is aggregate."
        return
    for name, webhook in config.outputs.webhook.items():
        host = urlsplit(webhook.url).hostname if webhook.url is not None else "the address in its file"
        yield (
            f"To the server {host}, {_by_rules(config, name)}: camera, zones, how the mask is worn, since when, and "
            "the random number of the visit."
        )
    for name, output in config.outputs.mqtt.items():
        yield (
            f"To the same broker, on the topic {output.topic}, {_by_rules(config, name)}: camera, zones, how the mask "
            "is worn, since when, and the random number of the visit."
        )
    for name, mail in config.outputs.mail.items():
        how = "unencrypted" if mail.tls == "none" else "encrypted (TLS)"
        yield (
            f"By mail to {', '.join(mail.recipients)}, through the server {mail.host}, {how}, "
            f"{_by_rules(config, name)}: camera, zones, how the mask is worn, and since when."
        )

    for name, sound in config.outputs.sound.items():
        what = "a sound" if sound.say is None else f'the sentence "{sound.say}"'
        yield f"Aloud at the device, for whoever is near, {_by_rules(config, name)}: {what}."


def _by_rules(config: Config, output: str) -> str:
    rules = [name for name, rule in config.rules.items() if output in rule.do and rule.enabled]
    return f"when the rule {' or '.join(rules)} acts" if rules else "when a rule does, of which there is none yet"


def _who(config: Config) -> Iterator[str]:
    web = config.web
    if not web.enabled:
        yield "There is no page."
    else:
        is_local = web.host in ("127.0.0.1", "localhost", "::1")
        where = "on this device alone" if is_local else f"on the network ({web.host})"
        how = "unencrypted" if web.tls is None else "encrypted (TLS)"
        faces = "as they are" if web.show_faces else "pixelated"
        pictures = (
            "no live pictures"
            if config.privacy == "aggregate"
            else f"live pictures with faces {faces}, and what is recorded"
        )
        yield (
            f"People with the page's password, {where}, {how}, port {web.port}: {pictures}; there is no page without a "
            "password."
        )
    if mqtt_commands(config):
        yield "People whom the broker lets write commands may change thresholds, cameras and privacy."
    else:
        yield "No settings can be changed over MQTT."
    yield "The administrator of the device."


def mqtt_commands(config: Config) -> bool:
    return config.mqtt.enabled and commands_enabled(config.mqtt)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
