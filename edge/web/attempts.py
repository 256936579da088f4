"""How often an address may try to sign in: pure logic that takes the time."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from edge.system.rate_limit import PerMinute

PER_MINUTE = 6
"""Attempts of one address: a person who mistypes gets by, and a guess of 8 random letters takes 60,000 years."""
MOST_ADDRESSES = 1000


class Attempts:
    def __init__(self) -> None:
        self._by_network: OrderedDict[str, PerMinute] = OrderedDict()

    def admits(self, address: str, now: float) -> bool:
        """Counts one attempt of this address; whether it may be made."""
        network = network_of(address)
        limit = self._by_network.setdefault(network, PerMinute(PER_MINUTE))
        self._by_network.move_to_end(network)
        while len(self._by_network) > MOST_ADDRESSES:
            self._by_network.popitem(last=False)
        return limit.admits(now)

    def forget(self, address: str) -> None:
        """It has signed in."""
        self._by_network.pop(network_of(address), None)


def network_of(address: str) -> str:
    """One who has an IPv6 address usually has 2**64 of them."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
