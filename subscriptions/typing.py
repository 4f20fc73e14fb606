"""Typing: who types where, told to the members who have streams open, and stored nowhere.

One announcement an interval for each typer and channel, over all processes: Valkey keeps the last
one for as long as it holds, and its clock says when that ends. While Valkey is away each process
counts for itself.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from models.background import Background, Loops
from models.channels.typing import list_typing_audience
from models.deadlines import within
from models.limits.limits import Limits
from models.log.signals import Signalled, Typed
from models.postgresql.database import Database
from models.refusals import Refused
from subscriptions.scripts import AWAY, Script, Valkey

VALKEY_WITHIN_S = 0.5


class _Announced(msgspec.Struct):
    """Keep the last announcement that this process knows of. `begun_at` is monotonic, seconds."""

    typing: bool
    begun_at: float


class _Answer(msgspec.Struct, frozen=True):
    announce: bool
    now: datetime
    begun: datetime


class Typing:
    def __init__(
        self,
        valkey: Valkey,
        database: Database,
        announce: Callable[[Sequence[Signalled]], None],
        limits: Limits,
        *,
        loops: Loops | None = None,
    ) -> None:
        self._database = database
        self._announce = announce
        self._interval_s = limits.typing_interval_s
        self._ttl_s = max(limits.typing_ttl_s, limits.typing_interval_s)
        self._script = Script(valkey, "announce_typing")
        # By typer and channel, while it holds.
        self._known: dict[str, dict[str, _Announced]] = {}
        self._background = Background(loops)

    async def close(self) -> None:
        await self._background.close()

    async def set_typing(self, user_id: str, channel_id: str, typing: bool) -> datetime:
        """Tell the channel's other members; return when what they were told ends by itself.

        Raises:
            Refused: NOT_FOUND, BLOCKED.
        """
        kind, audience = await list_typing_audience(self._database, user_id, channel_id)
        answer = await self._ask(user_id, channel_id, typing)
        expires_at = answer.begun + timedelta(seconds=self._ttl_s) if typing else answer.now
        if answer.announce:
            self._note(user_id, channel_id, typing)
            if audience:
                signal = Typed(channel_id, user_id, typing, answer.now, expires_at, kind)
                self._announce([Signalled(signal, audience)])
        return expires_at

    def end(self, user_id: str) -> None:
        """Tell that the user no longer types: their last stream on this node has ended."""
        for channel_id, known in self._known.get(user_id, {}).items():
            if known.typing:
                self._background.spawn("typing_end", self._stop(user_id, channel_id))

    async def _stop(self, user_id: str, channel_id: str) -> None:
        try:
            await self.set_typing(user_id, channel_id, False)
        except Refused:
            return  # It ends by itself.

    async def _ask(self, user_id: str, channel_id: str, typing: bool) -> _Answer:
        key = f"parley:typing:{{{channel_id}}}:{user_id}"
        args = [int(typing), int(self._interval_s * 1000), int(self._ttl_s * 1000)]
        try:
            announce, now_ms, begun_ms = await within(
                self._script.run([key], args), VALKEY_WITHIN_S
            )
        except AWAY:
            return self._decide_here(user_id, channel_id, typing)
        return _Answer(bool(announce), _time_of(now_ms), _time_of(begun_ms))

    def _decide_here(self, user_id: str, channel_id: str, typing: bool) -> _Answer:
        now, known = datetime.now(UTC), self._known.get(user_id, {}).get(channel_id)
        age_s = self._ttl_s if known is None else time.monotonic() - known.begun_at
        begun = now - timedelta(seconds=age_s)
        if not typing:
            return _Answer(known is not None and known.typing, now, begun)
        if age_s < self._interval_s:
            return _Answer(False, now, begun)
        return _Answer(True, now, now)

    def _note(self, user_id: str, channel_id: str, typing: bool) -> None:
        known = self._known.setdefault(user_id, {})
        if not typing:
            if channel_id in known:
                known[channel_id].typing = False
            return
        announced = known[channel_id] = _Announced(True, time.monotonic())
        asyncio.get_running_loop().call_later(
            self._ttl_s, self._forget, user_id, channel_id, announced
        )

    def _forget(self, user_id: str, channel_id: str, announced: _Announced) -> None:
        known = self._known.get(user_id, {})
        if known.get(channel_id) is announced:
            del known[channel_id]
            if not known:
                del self._known[user_id]


def _time_of(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
