"""Waiting for subscriptions that say nothing when they begin: until their feeds are live."""

from subscriptions.feed import FeedKind
from tests.make import Person
from tests.waiting import eventually


async def live(person: Person, kind: FeedKind, count: int = 1) -> None:
    """`count` feeds of this kind are live for the person at their node."""
    hub = person.server.app._process.hub

    def live_feeds() -> bool:
        feeds = [f for f in hub.feeds_of(person.user.id) if f.kind == kind and f.live]
        return len(feeds) == count

    await eventually(live_feeds)
