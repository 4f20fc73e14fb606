"""What the schema's layer knows of live streams: how to follow them. subscriptions/live.py is the
real thing.
"""

from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Protocol

from models.events import Occurrence
from models.signals import Signalled
from models.viewer import Viewer


class Live(Protocol):
    def announce(self, signals: Sequence[Signalled]) -> None:
        """Tell open streams of what has no place in a log. Never waits; a hint, which may be
        lost.
        """

    async def follow_inbox(
        self, viewer: Viewer, after: Mapping[str, int]
    ) -> AsyncIterable[Occurrence]:
        """Everything that happens to the viewer: what was missed, InboxReady, then what happens."""

    async def follow_messages(
        self, viewer: Viewer, channel_id: str, after_seq: int | None
    ) -> AsyncIterable[Occurrence]:
        """One channel's new messages.

        Raises:
            Refused: NOT_FOUND when the viewer is not in the channel.
            TooFarBehind: more was missed than is replayed.
        """
