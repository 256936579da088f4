"""The settings of what can act: each kind has a section, with a name for each of its outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from edge.config.fields import HomePath, Name, Settings, Text, contradiction
from edge.config.gpio_output import GpioSettings
from edge.config.mail_output import MailSettings
from edge.config.mqtt_output import MqttOutputSettings
from edge.config.sound_output import SoundSettings
from edge.config.template import checked_json_template
from edge.config.traits import LIVE


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not text.isascii() or any(c.isspace() or not c.isprintable() for c in text):
        problem = "it must be a web address, such as https://chat.example.org/hooks/..."
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return text


WebAddress = Annotated[str, AfterValidator(_web_address)]


class WebhookSettings(Settings):
    url: Annotated[WebAddress | None, LIVE] = None
    """The address that gets each action as JSON, by POST; https:// except in a network of your own. null: it is in
    url_file."""
    url_file: Annotated[HomePath | None, LIVE] = None
    """A file that holds only the address, for one that is a secret, as those of chat services are; null: none."""
    secret_file: Annotated[HomePath | None, LIVE] = None
    """A file that holds only the secret that signs each request (HMAC-SHA256); null: requests are not signed."""
    ca_file: Annotated[HomePath | None, LIVE] = None
    """PEM file of the authority that signed the server's certificate; null: the system's authorities."""
    template: Annotated[Text | None, AfterValidator(checked_json_template), LIVE] = None
    """The JSON that is sent, with placeholders such as {text}, for a chat service: '{"text": "{text}"}'; null: all that
    is known."""
    timeout_s: Annotated[float, Field(ge=1, le=60), LIVE] = 10
    """Seconds that the server has to answer before maskd tries again later."""
    max_waiting: Annotated[int, Field(ge=1, le=1_000_000), LIVE] = 10_000
    """Actions that wait for an absent server; past this, the oldest are dropped and counted."""

    @model_validator(mode="after")
    def _one_address(self) -> WebhookSettings:
        if self.url is not None and self.url_file is not None:
            raise contradiction("url_file", "the address is in url already; remove one of the two")
        if self.url is None and self.url_file is None:
            raise PydanticCustomError("sentence", "{problem}", {"problem": "it needs an address; set url or url_file"})
        return self


class OutputsSettings(Settings):
    webhook: Annotated[dict[Name, WebhookSettings], LIVE] = {}
    """Servers that are called, each with a name."""
    mail: Annotated[dict[Name, MailSettings], LIVE] = {}
    """Mail that is sent, each with a name."""
    mqtt: Annotated[dict[Name, MqttOutputSettings], LIVE] = {}
    """Messages on topics of your own at the broker of the section mqtt, each with a name."""
    gpio: Annotated[dict[Name, GpioSettings], LIVE] = {}
    """Relays, buzzers and lamps at pins, each with a name."""
    sound: Annotated[dict[Name, SoundSettings], LIVE] = {}
    """Files that are played and sentences that are spoken, each with a name."""

    @model_validator(mode="after")
    def _one_output_for_each_pin(self) -> OutputsSettings:
        by_pin: dict[int, str] = {}
        for name, gpio in self.gpio.items():
            if (other := by_pin.setdefault(gpio.pin, name)) != name:
                raise contradiction(
                    f"gpio.{name}.pin", f'the output "{other}" has this pin already; choose another one'
                )
        return self

    def by_name(self) -> Mapping[str, Settings]:
        """Every output of every kind."""
        return {name: settings for _, name, settings in self.named()}

    def named(self) -> Iterator[tuple[str, str, Settings]]:
        """Kind, name and settings of every output."""
        for kind in type(self).model_fields:
            for name, settings in getattr(self, kind).items():
                yield kind, name, settings
