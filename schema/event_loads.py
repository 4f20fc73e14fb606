"""Objects that live events lead to, read for all recipients at once: what is asked for in one turn
of the event loop takes one statement, however many streams ask. Nothing is kept, so nothing is
stale.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

from models.background import Background, Loops
from models.channels.channels import Channel, list_channels_of_many
from models.channels.members import Member, list_members_of_many
from models.postgresql.database import Database
from models.users.users import User, list_users

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


class Together(Generic[Key, Found]):
    """Reads by keys, those of one turn of the event loop at once."""

    def __init__(
        self,
        background: Background,
        name: str,
        read: Callable[[list[Key]], Awaitable[Mapping[Key, Found]]],
    ) -> None:
        self._background = background
        self._name = name
        self._read = read
        self._waiting: dict[Key, asyncio.Future[Found | None]] = {}

    async def find(self, key: Key) -> Found | None:
        """Return what was read by the key, or None."""
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            if not self._waiting:
                loop.call_soon(self._begin)
            future = self._waiting[key] = loop.create_future()
        # Others wait for it, too.
        return await asyncio.shield(future)

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._background.spawn(self._name, self._settle(waiting))

    async def _settle(self, waiting: dict[Key, asyncio.Future[Found | None]]) -> None:
        try:
            found = await self._read(list(waiting))
            for key, future in waiting.items():
                future.set_result(found.get(key))
        except Exception as error:
            for future in waiting.values():
                future.set_exception(error)
                # Whoever asked may have gone: nobody need look at it.
                future.exception()
        finally:
            for future in waiting.values():
                future.cancel()


class EventLoads:
    """What all open streams of a process read together."""

    def __init__(self, database: Database, *, loops: Loops | None = None) -> None:
        self._background = Background(loops)
        # By the viewer and the channel; None where the viewer is not in it.
        self.channels: Together[tuple[str, str], Channel] = Together(
            self._background,
            "event_channels",
            lambda pairs: list_channels_of_many(database, pairs),
        )
        # By the viewer, the channel and the user.
        self.members: Together[tuple[str, str, str], Member] = Together(
            self._background,
            "event_members",
            lambda asked: list_members_of_many(database, asked),
        )
        self.users: Together[str, User] = Together(
            self._background, "event_users", lambda user_ids: list_users(database, user_ids)
        )

    async def close(self) -> None:
        await self._background.close()
