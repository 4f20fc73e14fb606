"""Sessions: who is behind a request, whether their device still stands, and the refresh of its
tokens.

A device's row is believed for `cache_s` (2 s), counted from before it was read; `forget` ends that
at once on this process. A token of a generation newer than the cached row reads it again. When
PostgreSQL cannot be asked, nobody is let in and nobody is signed out: that is UNAVAILABLE.
"""

import asyncio
import functools
import time
from collections import OrderedDict
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta

import msgspec

from models.background import Background, Loops
from models.database import Database
from models.devices import devices, token_generations
from models.devices.devices import Device
from models.devices.known_networks import note_network
from models.devices.token_generations import DeviceStanding, Ended
from models.devices.viewer import Viewer
from models.refusals import RefusalCode, Refused
from models.tokens import AccessClaims, Tokens
from models.users.users import User

# How stale `last_active_at` may be.
ACTIVITY_INTERVAL = timedelta(minutes=1)
# How long the process waits, when it stops, for writes that nobody waits for.
FINISH_S = 2.0
SESSION_OVER = "This session is over; sign in again."


class Unauthenticated(Exception):
    """An access token is missing or not good: forged, ended, revoked, or not a token at all. Never
    says which.

    `reason` is a full sentence for a developer and quotes nothing of the token.
    """

    def __init__(self, reason: str = "This needs a valid access token.") -> None:
        super().__init__(reason)
        self.reason = reason


class DeviceEnded(Refused):
    """SESSION_REVOKED, as of now: the user has one device less."""

    def __init__(self, user_id: str) -> None:
        super().__init__(RefusalCode.SESSION_REVOKED, SESSION_OVER)
        self.user_id = user_id


class Session(msgspec.Struct, frozen=True):
    """What sign-in and refresh answer with."""

    access_token: str
    access_token_expires_at: datetime
    refresh_token: str
    user: User
    device: Device
    is_new_user: bool

    def __repr__(self) -> str:
        return "Session(…)"


class _Known(msgspec.Struct):
    """A device's row as it was read, None when there was none, and when the reading began
    (monotonic).
    """

    standing: DeviceStanding | None
    read_at: float


class Sessions:
    """Lets devices in by their access tokens, and refreshes those. One for a process."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        *,
        cache_s: float = 2.0,
        cache_size: int = 20_000,
        loops: Loops | None = None,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._cache_s = cache_s
        self._cache_size = cache_size
        # Access tokens that were verified: verifying one again takes some 40 us.
        self._verified: OrderedDict[str, AccessClaims] = OrderedDict()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._reading: dict[str, asyncio.Task[DeviceStanding | None]] = {}
        self._background = Background(loops)

    async def close(self) -> None:
        """Let the writes that nobody waits for finish."""
        await asyncio.gather(*self._reading.values(), return_exceptions=True)
        await self._background.close(finish_s=FINISH_S)

    async def authenticate(
        self, authorization: str | None, *, now: datetime | None = None
    ) -> Viewer | None:
        """The viewer behind an `Authorization` header; None when there is no header.

        Raises:
            Unauthenticated: there is one, and it is not good.
            Refused: UNAVAILABLE.
        """
        if authorization is None:
            return None
        now = now or datetime.now(UTC)
        scheme, _, token = authorization.partition(" ")
        claims = self._read_token(token.strip(), now) if scheme.lower() == "bearer" else None
        if claims is None:
            raise Unauthenticated
        standing = await self._get_standing(claims)
        if token_generations.is_refreshed_away(
            standing, claims.generation, limits=self._tokens.limits, now=now
        ):
            raise Unauthenticated
        await self._note_use(standing, claims, now)
        return Viewer(
            user=standing.user, device_id=claims.device_id, token_expires_at=claims.expires_at
        )

    async def look_again(self, viewer: Viewer) -> Viewer:
        """The viewer as they are now, whose token was good when their socket opened: a socket lives
        longer than what is believed of a device.

        Raises:
            Unauthenticated: the device has ended.
            Refused: UNAVAILABLE.
        """
        standing = self._find_known(viewer.device_id)
        if standing is None:
            standing = await self._read_shared(viewer.user.id, viewer.device_id)
        if standing is None or standing.revoked:
            raise Unauthenticated
        return Viewer(standing.user, viewer.device_id, viewer.token_expires_at)

    async def refresh(
        self, refresh_token: str, *, address: str, now: datetime | None = None
    ) -> Session:
        """Trade a refresh token for a new pair, as `models.devices.token_generations` says, and let
        the device's sockets live on. Where it came from is a network of theirs from now on.

        Raises:
            Refused: SESSION_REVOKED; as `DeviceEnded` when it was this that ended it. A token that
                is not ours touches nothing.
        """
        now = now or datetime.now(UTC)
        claims = self._tokens.read_refresh(refresh_token)
        if claims is None:
            raise _session_over()
        user_id, device_id = claims.user_id, claims.device_id
        _, renewed_until = self._tokens.make_access(user_id, device_id, 1, now=now)
        answer = await token_generations.advance_generation(
            self._database,
            user_id,
            device_id,
            claims.generation,
            access_expires_at=renewed_until,
            limits=self._tokens.limits,
            now=now,
        )
        self.forget(device_id)
        if answer is Ended.BY_THIS:
            raise DeviceEnded(user_id)
        if isinstance(answer, Ended):
            raise _session_over()
        self._write_later(self._note_network(user_id, address, now))
        generation, standing = answer
        access_token, expires_at = self._tokens.make_access(user_id, device_id, generation, now=now)
        return Session(
            access_token=access_token,
            access_token_expires_at=expires_at,
            refresh_token=self._tokens.make_refresh(user_id, device_id, generation),
            user=standing.user,
            device=standing.device,
            is_new_user=False,
        )

    def forget(self, device_id: str) -> None:
        """Believe nothing about the device that was read before now."""
        self._known.pop(device_id, None)
        self._reading.pop(device_id, None)

    def forget_user(self, user_id: str) -> None:
        """Believe nothing that was read before now about the user and their devices."""
        for device_id, known in tuple(self._known.items()):
            if known.standing is not None and known.standing.user.id == user_id:
                del self._known[device_id]
        # Whose they are is not known until they are read: none of them is kept.
        self._reading.clear()

    async def list_revoked(self, since_s: float) -> list[tuple[str, str]]:
        """(user id, device id) of the devices that ended within the last `since_s` seconds; for
        closing their sockets.
        """
        return await devices.list_revoked(self._database, since_s)

    async def find_access_expiry(self, user_id: str, device_id: str) -> datetime | None:
        """Up to when the device's open sockets live; None when it has ended."""
        return await devices.find_access_expiry(self._database, user_id, device_id)

    def _read_token(self, token: str, now: datetime) -> AccessClaims | None:
        claims = self._verified.get(token)
        if claims is None:
            claims = self._tokens.read_access(token, now=now)
            if claims is None:
                return None
            self._verified[token] = claims
            if len(self._verified) > self._cache_size:
                self._verified.popitem(last=False)
        elif now >= claims.expires_at:
            del self._verified[token]
            return None
        return claims

    async def _get_standing(self, claims: AccessClaims) -> DeviceStanding:
        standing = self._find_known(claims.device_id)
        if standing is None:
            standing = await self._read_shared(claims.user_id, claims.device_id)
        if standing is not None and standing.generation < claims.generation:
            # The reading that we joined had begun before the refresh that made this token.
            self.forget(claims.device_id)
            standing = await self._read_shared(claims.user_id, claims.device_id)
        if standing is None or standing.revoked or standing.generation < claims.generation:
            raise Unauthenticated
        return standing

    def _find_known(self, device_id: str) -> DeviceStanding | None:
        known = self._known.get(device_id)
        if known is None or time.monotonic() - known.read_at > self._cache_s:
            return None
        self._known.move_to_end(device_id)
        return known.standing

    async def _read_shared(self, user_id: str, device_id: str) -> DeviceStanding | None:
        """Read the row, or wait for who reads it now. One who stops waiting stops nobody else."""
        reading = self._reading.get(device_id)
        if reading is None:
            reading = asyncio.create_task(self._read(user_id, device_id))
            self._reading[device_id] = reading
            reading.add_done_callback(functools.partial(self._keep, device_id, time.monotonic()))
        return await asyncio.shield(reading)

    async def _read(self, user_id: str, device_id: str) -> DeviceStanding | None:
        async with self._database.connection() as connection:
            return await token_generations.find_standing(connection, user_id, device_id)

    def _keep(
        self, device_id: str, began: float, reading: "asyncio.Task[DeviceStanding | None]"
    ) -> None:
        failed = reading.cancelled() or reading.exception() is not None
        if self._reading.get(device_id) is not reading:
            return  # forgotten meanwhile: what it read may be from before
        del self._reading[device_id]
        if failed:
            return
        self._known[device_id] = _Known(reading.result(), began)
        self._known.move_to_end(device_id)
        while len(self._known) > self._cache_size:
            self._known.popitem(last=False)

    async def _note_use(
        self, standing: DeviceStanding, claims: AccessClaims, now: datetime
    ) -> None:
        user_id, device_id = claims.user_id, claims.device_id
        if claims.generation == standing.generation and standing.generation_accepted_at is None:
            # Waited for, since from here the grace of the token before runs out.
            await token_generations.accept_generation(
                self._database, user_id, device_id, claims.generation, now=now
            )
            standing.generation_accepted_at = now
        if now - standing.last_active_at >= ACTIVITY_INTERVAL:
            standing.last_active_at = now
            self._write_later(devices.touch_device(self._database, user_id, device_id, now=now))

    async def _note_network(self, user_id: str, address: str, now: datetime) -> None:
        async with self._database.connection() as connection:
            await note_network(connection, self._tokens, user_id, address, now=now)

    def _write_later(self, write: Coroutine[None, None, None]) -> None:
        self._background.spawn("device_activity", write)


def _session_over() -> Refused:
    return Refused(RefusalCode.SESSION_REVOKED, SESSION_OVER)
