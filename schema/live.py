"""Live streams, as the schema's layer knows them: how to follow them. subscriptions/following.py
is the real thing.
"""

from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from models.devices.viewer import Viewer
from models.log.events import Occurrence
from models.log.signals import SignalKind, Signalled
from models.log.streams.named import InboxStart
from models.users.presence import Presence


class Live(Protocol):
    def announce(self, signals: Sequence[Signalled]) -> None:
        """Tell open streams of what has no place in a log. Never waits; a hint, which may be
        lost.
        """

    async def follow_inbox(self, viewer: Viewer, start: InboxStart) -> AsyncIterable[Occurrence]:
        """Everything that happens to the viewer: what was missed, InboxReady, then what happens.

        Raises:
            Refused: UNAVAILABLE.
        """

    async def follow_messages(
        self, viewer: Viewer, channel_id: str, after_seq: int | None
    ) -> AsyncIterable[Occurrence]:
        """One channel's new messages.

        Raises:
            Refused: NOT_FOUND when the viewer is not in the channel.
            TooFarBehind: more was missed than is replayed.
        """

    async def follow_signals(
        self, viewer: Viewer, channel_id: str, kind: SignalKind
    ) -> AsyncIterable[Occurrence]:
        """One channel's receipts, or typing. Completes when the viewer leaves the channel.

        Raises:
            Refused: NOT_FOUND when the viewer is not in the channel.
        """

    async def follow_presence(
        self, viewer: Viewer, user_ids: Sequence[str]
    ) -> AsyncIterable[Occurrence]:
        """Follow what the viewer may see of the users' presence: first as it is, then as it
        changes.

        Raises:
            Refused: RATE_LIMITED when the viewer follows too many users.
        """

    async def list_presences(
        self, viewer_id: str, user_ids: Sequence[str]
    ) -> Mapping[str, Presence]:
        """List the presences of those whom the viewer may see, as far as they are known now."""

    async def set_typing(self, viewer: Viewer, channel_id: str, typing: bool) -> datetime:
        """Tell the channel's other members; when what they were told ends by itself.

        Raises:
            Refused: NOT_FOUND, BLOCKED.
        """
