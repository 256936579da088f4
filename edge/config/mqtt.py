"""The settings of the broker that events are sent to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from edge.broker_host import problem_of_host
from edge.config.fields import HomePath, Settings, Text, TopicPrefix, contradiction, text_if_number
from edge.config.traits import LIVE


def _host_alone(text: str) -> str:
    if problem := problem_of_host(text):
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return text


class TlsSettings(Settings):
    ca_file: Annotated[HomePath | None, LIVE] = None
    """Authority to trust, in PEM; null: the system's."""
    cert_file: Annotated[HomePath | None, LIVE] = None
    """This device's certificate, in PEM; null: none is shown."""
    key_file: Annotated[HomePath | None, LIVE] = None
    """The certificate's private key, in PEM; null: it is in cert_file."""
    min_version: Annotated[Literal["1.2", "1.3"], BeforeValidator(text_if_number), LIVE] = "1.2"
    """The oldest version of TLS that is spoken with the broker."""

    @model_validator(mode="after")
    def _key_has_certificate(self) -> TlsSettings:
        if self.key_file is not None and self.cert_file is None:
            raise contradiction(
                "key_file", "a private key is of no use without its certificate; set mqtt.tls.cert_file as well"
            )
        return self


class HomeAssistantSettings(Settings):
    enabled: Annotated[bool, LIVE] = True
    """This device and its cameras announce themselves to Home Assistant (MQTT discovery)."""
    prefix: Annotated[TopicPrefix, LIVE] = "homeassistant"
    """The discovery prefix that is set in Home Assistant; its birth message is awaited on <prefix>/status."""


class MqttSettings(Settings):
    enabled: bool = True
    """false: events stay in the outbox on this device."""
    host: Annotated[Text, AfterValidator(_host_alone), LIVE] = "localhost"
    """The broker's host name or address."""
    port: Annotated[int, Field(ge=1, le=65535), LIVE] = 1883
    """The broker's TCP port: 1883 as a rule, 8883 with TLS."""
    protocol: Annotated[
        Literal["auto", "5", "3.1.1"],
        BeforeValidator(text_if_number),
        WithJsonSchema({"enum": ["auto", "5", "3.1.1", 5]}),
        LIVE,
    ] = "auto"
    """MQTT version; auto: 5, or 3.1.1 where the broker does not speak 5."""
    prefix: TopicPrefix = "maskd"
    """The first level, or levels, of every topic."""
    username: Annotated[Text | None, LIVE] = None
    """null: the systemd credential `mqtt-username`, if there is one; else the broker asks for no login."""
    username_file: Annotated[HomePath | None, LIVE] = None
    """A file that holds the user name and nothing else, in place of username; null: none."""
    password_file: Annotated[HomePath | None, LIVE] = None
    """A file that holds the password and nothing else, so that it never stands in this file; null: the systemd
    credential `mqtt-password`, if there is one."""
    client_id: Annotated[Text | None, LIVE] = None
    """null: maskd-<device>. Two clients of one name throw each other off the broker."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600), LIVE] = 30
    """Seconds; after one and a half times as long in silence the broker declares this device offline."""
    tls: Annotated[TlsSettings | None, LIVE] = None
    """null: a plain connection; an empty section `{}`: TLS with the system's authorities."""
    status_interval_s: Annotated[float, Field(ge=1), LIVE] = 30
    """Seconds from one .../status message to the next."""
    window_s: Annotated[float | None, Field(ge=1), LIVE] = None
    """Length of the windows counted in .../compliance, in seconds; null: 60, and 1200 with `privacy: aggregate`."""
    event_expiry_s: Annotated[int | None, Field(ge=1, le=4_294_967_295), LIVE] = None
    """Seconds after which the broker may drop an event that an absent subscriber has not fetched (MQTT 5);
    null: never."""
    commands: Annotated[bool | None, LIVE] = None
    """Whether thresholds, cameras and privacy can be changed by messages to .../set; null: where this device logs in at
    the broker, which an anonymous broker asks of nobody."""
    homeassistant: HomeAssistantSettings = HomeAssistantSettings()
    """This device and its cameras appear in Home Assistant by themselves."""

    @model_validator(mode="after")
    def _login_is_complete(self) -> MqttSettings:
        if self.username is not None and self.username_file is not None:
            raise contradiction("username_file", "the user name is in mqtt.username already; remove one of the two")
        if self.password_file is not None and self.username is None and self.username_file is None:
            raise contradiction("password_file", "a password is sent only with a user name; set mqtt.username as well")
        return self
