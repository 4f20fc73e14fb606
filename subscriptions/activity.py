"""Activity: at which of their devices a user did something last, for a minute.

Doing something is what a person does, not what an app does by itself: sending, reading, typing. A
request writes nothing: it is noted in this process, and written to Valkey once a second for all,
each device once in `WRITE_EVERY_S` at most. It is a lease there that ends by itself, as presence
is. A hint: while Valkey is away nobody is active, and everybody is pushed to.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from math import ceil

import msgspec

from models.background import Background, Loops
from models.deadlines import within
from models.limits.limits import Limits
from subscriptions.scripts import AWAY, Valkey

LOOK_EVERY_S = 1.0
WRITE_EVERY_S = 10.0
# Written in one go; and kept while Valkey is away, of more the oldest are forgotten.
AT_ONCE = 500
NOTED_MOST = 100_000
READ_WITHIN_S = 1.0
# For so long nobody asks a Valkey that has not answered.
AWAY_S = 5.0


class Active(msgspec.Struct, frozen=True):
    """Name the device at which a user was active last; that counts for `left_s` more seconds."""

    device_id: str
    left_s: float


class Activity:
    """Note who does something in this process, and write it to Valkey."""

    def __init__(
        self,
        valkey: Valkey,
        limits: Limits,
        *,
        loops: Loops | None = None,
        every_s: float = LOOK_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._valkey = valkey
        self._active_s = limits.push_active_s
        self._every_s = every_s
        self._clock = clock
        # By user and device: when, oldest first; and when that was written last.
        self._noted: dict[tuple[str, str], float] = {}
        self._written: dict[tuple[str, str], float] = {}
        self._background = Background(loops)

    def start(self) -> None:
        self._background.every("activity", self._every_s, self.write, jitter=0.1, away=AWAY)

    async def close(self) -> None:
        await self._background.close()

    def note(self, user_id: str, device_id: str) -> None:
        """Note that a user does something at this device."""
        who = user_id, device_id
        self._noted.pop(who, None)
        self._noted[who] = self._clock()
        if len(self._noted) > NOTED_MOST:
            del self._noted[next(iter(self._noted))]

    async def write(self) -> None:
        """Write what is to be written. Raises what `AWAY` lists; then it is written later."""
        now = self._clock()
        self._forget(now)
        due = [
            who
            for who in self._noted
            if now - self._written.get(who, -WRITE_EVERY_S) >= WRITE_EVERY_S
        ]
        for start in range(0, len(due), AT_ONCE):
            await self._write(due[start : start + AT_ONCE], now)

    async def _write(self, due: Sequence[tuple[str, str]], now: float) -> None:
        at = {who: self._noted[who] for who in due}
        pipeline = self._valkey.pipeline(transaction=False)
        for (user_id, device_id), when in at.items():
            left_ms = max(1, ceil((self._active_s - (now - when)) * 1000))
            pipeline.set(_key(user_id), device_id, px=left_ms)
        await within(pipeline.execute(), READ_WITHIN_S)
        for who, when in at.items():
            self._written[who] = now
            if self._noted.get(who) == when:
                del self._noted[who]

    def _forget(self, now: float) -> None:
        """Drop what is too old to count."""
        for kept, longest_s in ((self._noted, self._active_s), (self._written, WRITE_EVERY_S)):
            while kept and now - kept[oldest := next(iter(kept))] > longest_s:
                del kept[oldest]


class ActiveDevices:
    """Read what all processes have written."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._away_until = 0.0

    async def list_active(self, user_ids: Sequence[str]) -> Mapping[str, Active]:
        """Return where these users are active; nobody is while Valkey is away, and for a moment
        after, so that pushes do not wait for it.
        """
        if time.monotonic() < self._away_until:
            return {}
        pipeline = self._valkey.pipeline(transaction=False)
        for user_id in user_ids:
            pipeline.get(_key(user_id))
            pipeline.pttl(_key(user_id))
        try:
            found = await within(pipeline.execute(), READ_WITHIN_S)
        except AWAY:
            self._away_until = time.monotonic() + AWAY_S
            return {}
        return {
            user_id: Active(device_id.decode(), left_ms / 1000)
            for user_id, device_id, left_ms in zip(user_ids, found[::2], found[1::2], strict=True)
            if device_id is not None and left_ms > 0
        }


def _key(user_id: str) -> str:
    return f"parley:active:{{{user_id}}}"
