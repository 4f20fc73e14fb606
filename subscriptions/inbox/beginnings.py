"""Where an inbox begins in each channel, by what its client passes and has acknowledged."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from models.log.entries import Standing
from models.log.streams.cursors import Cursor, StreamPositions
from models.log.streams.named import NamedStream


class Beginning(NamedTuple):
    """Go on after this entry; or, if not `clear`, tell the client to fetch the channel again."""

    seq: int
    clear: bool = True


class Beginnings:
    """Says where a stream begins in each channel: after the latest of what its client passes and
    what was acknowledged under its name.

    `default` counts in channels that neither speaks of, and only where neither is a cursor: a
    cursor speaks of all channels that the stream knew, and others were joined since. `lost` means
    that nothing is known of what the client has stored, beyond what it passes by channel.
    """

    def __init__(
        self,
        *,
        after: Mapping[str, int],
        known: StreamPositions | None,
        default: Mapping[str, int] | StreamPositions,
        lost: bool = False,
        unclear: set[str] | None = None,
    ) -> None:
        self._after = after
        self._known = known
        self._default = default
        self._lost = lost
        self._unclear = unclear or set()

    def find(self, at: Standing) -> Beginning:
        """Return where the channel begins, as the user stands in it."""
        if at.channel_id in self._unclear:
            return Beginning(at.last_seq, clear=False)
        named = self._named(at.channel_id)
        if at.left_seq is not None:
            seq = max([*named, *self._default_seq(at.channel_id)], default=0)
            return Beginning(max(at.left_seq - 1, min(seq, at.left_seq)))
        if named:
            return self._after_named(at, max(named))
        if self._lost:
            return Beginning(at.last_seq, clear=at.last_seq == 0)
        return Beginning(max([at.joined_seq - 1, *self._default_seq(at.channel_id)]))

    def _named(self, channel_id: str) -> list[int]:
        passed = self._after.get(channel_id)
        known = None if self._known is None else self._known.find(channel_id)
        return [seq for seq in (passed, known) if seq is not None]

    def _default_seq(self, channel_id: str) -> list[int]:
        if self._known is not None:
            return []
        if isinstance(self._default, StreamPositions):
            seq = self._default.find(channel_id)
        else:
            seq = self._default.get(channel_id)
        return [] if seq is None else [seq]

    def _after_named(self, at: Standing, seq: int) -> Beginning:
        if seq >= at.joined_seq - 1:
            return Beginning(seq)
        # Of an earlier membership. Who has seen the end of it knows that nothing is left of it.
        saw_the_end = (
            self._known is not None
            and self._known.ended(at.channel_id)
            and self._known.find(at.channel_id) == seq
        )
        return Beginning(at.joined_seq - 1) if saw_the_end else Beginning(at.last_seq, clear=False)


def known_positions(
    passed: str | None,
    cursor: Cursor | None,
    stream: NamedStream | None,
    *,
    kept: timedelta,
    now: datetime,
) -> tuple[StreamPositions | None, bool]:
    """Return what a cursor that was passed and an acknowledgement say together, and whether nothing
    can be known of what the client has stored.
    """
    acknowledged = None if stream is None else stream.acknowledged
    if passed is None:
        return acknowledged, stream is not None and stream.forgotten
    if cursor is None:
        # Of another user or device: nobody knows what such a client has stored.
        return None, True
    if acknowledged is not None:
        return acknowledged.merge(cursor.positions), False
    if cursor.made_at < now - kept:
        return None, True
    return cursor.positions, False
