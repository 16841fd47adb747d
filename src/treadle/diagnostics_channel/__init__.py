"""Named channels on which a library says what it does, and a tool listens: at almost no cost while nobody does.
Source: https://nodejs.org/api/diagnostics_channel.html. Invariants: a subscriber never disturbs the publisher; imports without a
loop and without asyncio. Not here: events that belong to an object (treadle.events)."""

from treadle.diagnostics_channel._channel import (
    Channel,
    Subscriber,
    Transform,
    channel,
    has_subscribers,
    subscribe,
    unsubscribe,
)
from treadle.diagnostics_channel._tracing import TracingChannel, tracing_channel

__all__ = [
    "Channel",
    "Subscriber",
    "TracingChannel",
    "Transform",
    "channel",
    "has_subscribers",
    "subscribe",
    "tracing_channel",
    "unsubscribe",
]
