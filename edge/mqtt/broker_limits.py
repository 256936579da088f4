"""How much a broker takes at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from paho.mqtt.properties import Properties

IN_FLIGHT_LIMIT = 20
"""Messages handed to the broker and not yet acknowledged; a broker may ask for fewer."""


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """What a broker of MQTT 5 says of itself as it lets us in; one of 3.1.1 says nothing."""

    in_flight: int = IN_FLIGHT_LIMIT
    packet_bytes: float = math.inf
    takes_qos_1: bool = True

    @classmethod
    def of(cls, properties: Properties | None) -> BrokerLimits:
        return cls(
            min(IN_FLIGHT_LIMIT, getattr(properties, "ReceiveMaximum", IN_FLIGHT_LIMIT)),
            getattr(properties, "MaximumPacketSize", math.inf),
            getattr(properties, "MaximumQoS", 1) > 0,
        )

    @property
    def takes_nothing(self) -> bool:
        return self.in_flight == 0 or self.packet_bytes == 0
