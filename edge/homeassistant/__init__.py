"""What this device tells Home Assistant of itself."""

from __future__ import annotations

from edge.homeassistant.message import (
    Announcement,
    announce,
    birth_topic,
    discovery_filter,
    discovery_topic,
    retained_topics,
)

__all__ = ["Announcement", "announce", "birth_topic", "discovery_filter", "discovery_topic", "retained_topics"]
