"""The settings of the broker that events are sent to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from edge.config.broker_host import problem_of_host
from edge.config.fields import HomePath, Settings, Text, TopicPrefix, contradiction, text_if_number
from edge.config.traits import LIVE


def _host_alone(text: str) -> str:
    if problem := problem_of_host(text):
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return text


class TlsSettings(Settings):
    ca_file: Annotated[HomePath | None, LIVE] = None
    """PEM file of the authority that signed the broker's certificate; null: the system's authorities."""
    cert_file: Annotated[HomePath | None, LIVE] = None
    """PEM file of this device's certificate; null: none."""
    key_file: Annotated[HomePath | None, LIVE] = None
    """PEM file of the certificate's private key; null: it is in cert_file."""
    min_version: Annotated[Literal["1.2", "1.3"], BeforeValidator(text_if_number), LIVE] = "1.2"
    """Lowest TLS version allowed."""

    @model_validator(mode="after")
    def _key_has_certificate(self) -> TlsSettings:
        if self.key_file is not None and self.cert_file is None:
            raise contradiction("key_file", "a private key needs its certificate; set mqtt.tls.cert_file as well")
        return self


class HomeAssistantSettings(Settings):
    enabled: Annotated[bool, LIVE] = True
    """true: announce this device and its cameras to Home Assistant (MQTT discovery)."""
    prefix: Annotated[TopicPrefix, LIVE] = "homeassistant"
    """The discovery prefix that is set in Home Assistant, whose birth message comes on <prefix>/status."""


class MqttSettings(Settings):
    enabled: bool = True
    """false: events stay in the outbox on this device."""
    host: Annotated[Text, AfterValidator(_host_alone), LIVE] = "localhost"
    """The broker's host name or address."""
    port: Annotated[int, Field(ge=1, le=65535), LIVE] = 1883
    """The broker's TCP port: usually 1883, or 8883 with TLS."""
    protocol: Annotated[
        Literal["auto", "5", "3.1.1"],
        BeforeValidator(text_if_number),
        WithJsonSchema({"enum": ["auto", "5", "3.1.1", 5]}),
        LIVE,
    ] = "auto"
    """MQTT version; auto: 5, or 3.1.1 if the broker does not support 5."""
    prefix: TopicPrefix = "maskd"
    """The first level, or levels, of every topic."""
    username: Annotated[Text | None, LIVE] = None
    """User name at the broker; null: the systemd credential `mqtt-username`, if it exists, else no login."""
    username_file: Annotated[HomePath | None, LIVE] = None
    """A file that holds only the user name, in place of username; null: none."""
    password_file: Annotated[HomePath | None, LIVE] = None
    """A file that holds only the password; null: the systemd credential `mqtt-password`, if it exists."""
    client_id: Annotated[Text | None, LIVE] = None
    """MQTT client id, unique at the broker; null: maskd-<device>."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600), LIVE] = 30
    """Keep-alive in seconds; after 1.5 times this long without a sign of life, the broker marks the device offline."""
    tls: Annotated[TlsSettings | None, LIVE] = None
    """null: unencrypted; an empty section `{}`: TLS with the system's authorities."""
    status_interval_s: Annotated[float, Field(ge=1), LIVE] = 30
    """Seconds between status messages (.../status)."""
    window_s: Annotated[float | None, Field(ge=1), LIVE] = None
    """Length in seconds of the windows counted in .../compliance; null: 60, or 1200 with `privacy: aggregate`."""
    event_expiry_s: Annotated[int | None, Field(ge=1, le=4_294_967_295), LIVE] = None
    """Seconds until the broker may drop an event that an offline subscriber has not fetched (MQTT 5); null: never."""
    commands: Annotated[bool | None, LIVE] = None
    """true: messages to .../set may change thresholds, cameras and privacy; null: only if this device logs in at the
    broker."""
    homeassistant: HomeAssistantSettings = HomeAssistantSettings()
    """Home Assistant finds this device and its cameras by itself."""

    @model_validator(mode="after")
    def _login_is_complete(self) -> MqttSettings:
        if self.username is not None and self.username_file is not None:
            raise contradiction("username_file", "the user name is in mqtt.username already; remove one of the two")
        if self.password_file is not None and self.username is None and self.username_file is None:
            raise contradiction("password_file", "a password needs a user name; set mqtt.username as well")
        return self
