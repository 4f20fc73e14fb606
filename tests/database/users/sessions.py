"""Helpers of the tests of sessions: what a session may do, and pools that count or hold reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime

from models.devices.sessions import Session, Sessions, Unauthenticated
from models.postgresql.database import Connection, Database
from models.refusals import RefusalCode, Refused
from tests.database.users.signing_in import HOME, NOW


async def let_in(sessions: Sessions, session: Session, *, now: datetime = NOW) -> bool:
    try:
        viewer = await sessions.authenticate(f"Bearer {session.access_token}", now=now)
    except Unauthenticated:
        return False
    assert viewer is not None
    assert (viewer.user, viewer.device_id) == (session.user, session.device.id)
    assert viewer.token_expires_at == session.access_token_expires_at
    return True


async def refused(sessions: Sessions, refresh_token: str, *, now: datetime = NOW) -> bool:
    try:
        await sessions.refresh(refresh_token, address=HOME, now=now)
    except Refused as no:
        return no.code is RefusalCode.SESSION_REVOKED
    return False


async def device_row(database: Database, session: Session) -> dict[str, object]:
    row = await database.fetchrow("SELECT * FROM devices WHERE id = $1", session.device.id)
    assert row is not None
    return dict(row)


# ---------------------------------------------------------------- access


class CountingDatabase(Database):
    """Another's pool; counts how often a connection was taken from it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.pool, database.url)
        self.taken = 0

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        self.taken += 1
        return super().connection()


class GatedDatabase(CountingDatabase):
    """Another's pool; what its first connection read is handed back when told so."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.has_read = asyncio.Event()
        self.go_on = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with super().connection() as connection:
            is_first = self.taken == 1
            yield connection
            if is_first:
                self.has_read.set()
                await self.go_on.wait()
