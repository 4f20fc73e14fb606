"""A follower of people's presence: what it was shown, so that it is shown only what changes."""

from collections.abc import Iterable

from models.log.events import Occurrence
from models.users.presence import Presence
from subscriptions.feed import Feed


class Follower:
    """Remember for one feed what it was last shown of each user it follows; None for nothing."""

    def __init__(self, feed: Feed, user_ids: Iterable[str]) -> None:
        self.feed = feed
        self.viewer_id = feed.user_id
        self.shown: dict[str, Presence | None] = dict.fromkeys(user_ids)

    def show(self, user_id: str, presence: Presence | None) -> None:
        """Show a change to the feed; None means that the user is hidden from this viewer."""
        before = self.shown[user_id]
        if presence == before or self.feed.ended.done():
            return
        self.shown[user_id] = presence
        told = presence or Presence(user_id, False, None)
        if told != before:
            self.feed.put(Occurrence(told))

    def believes_online(self, user_id: str) -> bool | None:
        """Return what the feed was last shown of the user, or None if nothing was shown."""
        before = self.shown[user_id]
        return None if before is None else before.online
