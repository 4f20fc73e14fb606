"""Helpers of the tests of sessions: what a session may do, and pools that count or hold reads."""

import asyncio
from datetime import datetime

from models.devices.sessions import Session, Sessions, Unauthenticated
from models.postgresql.database import Database
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


class CountingPool:
    """Another's pool; counts how often a connection was taken from it."""

    def __init__(self, database: Database) -> None:
        self._pool = database.pool
        self.acquired = 0

    def acquire(self, *, timeout: float) -> object:
        self.acquired += 1
        return self._pool.acquire(timeout=timeout)


class GatedPool(CountingPool):
    """Another's pool; what its first connection read is handed back when told so."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.has_read = asyncio.Event()
        self.go_on = asyncio.Event()

    def acquire(self, *, timeout: float) -> object:
        taken = super().acquire(timeout=timeout)
        return _Gate(self, taken) if self.acquired == 1 else taken


class _Gate:
    def __init__(self, pool: GatedPool, taken: object) -> None:
        self._pool, self._taken = pool, taken

    async def __aenter__(self) -> object:
        return await self._taken.__aenter__()  # type: ignore[attr-defined]

    async def __aexit__(self, *error: object) -> object:
        self._pool.has_read.set()
        await self._pool.go_on.wait()
        return await self._taken.__aexit__(*error)  # type: ignore[attr-defined]
