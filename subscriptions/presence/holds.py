"""Holds: who is online by this node, and until when. Pure: the time is an argument, in seconds of a
clock that only goes forward.

A user is held while any of their streams is open, for a grace after the last one ended (a reconnect
shows nothing), and for a while after a request.
"""

from collections.abc import Iterable


class _Hold:
    __slots__ = ("seen_at", "streams", "until")

    def __init__(self, now: float) -> None:
        self.streams = 0
        self.until = now
        # The last sign of life; of no interest while a stream is open.
        self.seen_at = now


class Holds:
    def __init__(self, *, grace_s: float, idle_s: float) -> None:
        self._grace_s = grace_s
        self._idle_s = idle_s
        self._holds: dict[str, _Hold] = {}
        # Those without a stream.
        self._ending: set[str] = set()

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._holds

    def users(self) -> list[str]:
        return list(self._holds)

    def add_stream(self, user_id: str, now: float) -> bool:
        """Count one more stream; return True if the user was not held before."""
        new = user_id not in self._holds
        hold = self._holds.setdefault(user_id, _Hold(now))
        hold.streams += 1
        self._ending.discard(user_id)
        return new

    def end_stream(self, user_id: str, now: float) -> bool:
        """Count one stream less; return True if it was the user's last one here."""
        hold = self._holds[user_id]
        hold.streams -= 1
        hold.seen_at = now
        hold.until = max(hold.until, now + self._grace_s)
        if hold.streams == 0:
            self._ending.add(user_id)
        return hold.streams == 0

    def touch(self, user_id: str, now: float) -> bool:
        """Hold the user after a request; return True if they were not held before."""
        new = user_id not in self._holds
        hold = self._holds.setdefault(user_id, _Hold(now))
        hold.seen_at = now
        hold.until = max(hold.until, now + self._idle_s)
        if hold.streams == 0:
            self._ending.add(user_id)
        return new

    def list_ended(self, now: float) -> list[str]:
        """Return the users whose time is over. They are held until they are dropped."""
        return [user_id for user_id in self._ending if self._holds[user_id].until <= now]

    def drop_ended(self, user_ids: Iterable[str], now: float) -> list[str]:
        """Drop those of the users whose time is still over, and return them."""
        ended = [
            user_id
            for user_id in user_ids
            if user_id in self._ending and self._holds[user_id].until <= now
        ]
        for user_id in ended:
            del self._holds[user_id]
            self._ending.discard(user_id)
        return ended

    def seen_at(self, user_id: str, now: float) -> float:
        hold = self._holds[user_id]
        return now if hold.streams else hold.seen_at

    def left_s(self, user_id: str, now: float) -> float:
        """Return for how many seconds the user is held if all their streams end now and nothing
        more comes.
        """
        hold = self._holds[user_id]
        return max(hold.until - now, self._grace_s if hold.streams else 0)
