"""Sessions: find the viewer of a request by their access token, and refresh tokens.

A device's row is cached for `cache_s` (2 s), counted from before it was read; `forget` drops it at
once on this process. A token of a newer generation than the cached row makes it be read again.
While PostgreSQL is away nobody is let in and nobody is signed out: the answer is UNAVAILABLE.
"""

import asyncio
import functools
import time
from collections import OrderedDict
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta

import msgspec

from models.background import Background, Loops
from models.devices import devices, revocations, token_generations
from models.devices.devices import FIRST_GENERATION, Device
from models.devices.known_networks import note_network
from models.devices.token_generations import DeviceStanding, RefreshEnd
from models.devices.viewer import Viewer
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.tokens import AccessClaims, Tokens
from models.users.users import User

# How stale `last_active_at` may be.
ACTIVITY_INTERVAL = timedelta(minutes=1)
# How long `close` waits for writes that no request waits for.
FINISH_S = 2.0
SESSION_OVER = "This session is over; sign in again."


class Unauthenticated(Exception):
    """Raised when an access token is missing or not good: forged, expired, revoked, or not a token
    at all. It never says which.

    `reason` is a full sentence for a developer and holds no part of the token.
    """

    def __init__(self, reason: str = "This needs a valid access token.") -> None:
        super().__init__(reason)
        self.reason = reason


class DeviceEnded(Refused):
    """SESSION_REVOKED where this very refresh ended the device: the user has one device less."""

    def __init__(self, user_id: str) -> None:
        super().__init__(RefusalCode.SESSION_REVOKED, SESSION_OVER)
        self.user_id = user_id


class Session(msgspec.Struct, frozen=True):
    """What sign-in and refresh return: a token pair, and the user and device that it is for."""

    access_token: str
    access_token_expires_at: datetime
    refresh_token: str
    user: User
    device: Device
    is_new_user: bool

    def __repr__(self) -> str:
        return "Session(…)"


class _CachedStanding(msgspec.Struct):
    """A device's standing as it was read (None if there was no such device), and when the reading
    began, in monotonic seconds.
    """

    standing: DeviceStanding | None
    read_at: float


class Sessions:
    """Finds viewers by their access tokens, and refreshes tokens. A process has one of these."""

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
        self._known: OrderedDict[str, _CachedStanding] = OrderedDict()
        self._reading: dict[str, asyncio.Task[DeviceStanding | None]] = {}
        self._background = Background(loops)

    async def close(self) -> None:
        """Wait up to `FINISH_S` for the writes that no request waits for, then cancel them."""
        await asyncio.gather(*self._reading.values(), return_exceptions=True)
        await self._background.close(finish_s=FINISH_S)

    async def authenticate(
        self, authorization: str | None, *, now: datetime | None = None
    ) -> Viewer | None:
        """Return the viewer of an `Authorization` header; None if there is no header.

        Raises:
            Unauthenticated: there is a header, and its token is not good.
            Refused: UNAVAILABLE.
        """
        if authorization is None:
            return None
        now = now or datetime.now(UTC)
        scheme, _, token = authorization.partition(" ")
        claims = self._read_token(token.strip(), now) if scheme.lower() == "bearer" else None
        if claims is None:
            raise Unauthenticated
        known = self._find_known(claims.device_id)
        if known is not None and _is_plain(known, claims, now):
            return Viewer(known.user, claims.device_id, claims.expires_at)
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
        """Return the viewer as they are now. For sockets, whose token was checked when they opened:
        they live longer than the cache.

        Raises:
            Unauthenticated: the device has ended.
            Refused: UNAVAILABLE.
        """
        standing = self._find_known(viewer.device_id)
        if standing is None:
            standing = await self._read_shared(viewer.user.id, viewer.device_id)
        if standing is None or standing.revoked:
            raise Unauthenticated
        if standing.user is viewer.user:
            return viewer
        return Viewer(standing.user, viewer.device_id, viewer.token_expires_at)

    async def refresh(
        self, refresh_token: str, *, address: str, now: datetime | None = None
    ) -> Session:
        """Trade a refresh token for a new pair, as `models.devices.token_generations` says, and let
        the device's sockets live on. The client's network counts as known from now on.

        Raises:
            Refused: SESSION_REVOKED: the token is not ours, or its device had ended.
            DeviceEnded: this refresh ended the device.
        """
        now = now or datetime.now(UTC)
        claims = self._tokens.read_refresh(refresh_token)
        if claims is None:
            raise _session_over()
        user_id, device_id = claims.user_id, claims.device_id
        _, renewed_until = self._tokens.make_access(user_id, device_id, FIRST_GENERATION, now=now)
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
        if answer is RefreshEnd.BY_THIS:
            raise DeviceEnded(user_id)
        if isinstance(answer, RefreshEnd):
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
        """Drop what this process has cached of the device, and what it is reading now."""
        self._known.pop(device_id, None)
        self._reading.pop(device_id, None)

    def forget_user(self, user_id: str) -> None:
        """Drop what this process has cached of the user and their devices."""
        for device_id, known in tuple(self._known.items()):
            if known.standing is not None and known.standing.user.id == user_id:
                del self._known[device_id]
        # The owners of devices that are being read are not known yet: keep none of these readings.
        self._reading.clear()

    async def list_revoked(self, since_s: float) -> list[tuple[str, str]]:
        """Return the devices whose sockets are to be closed, as `revocations.list_revoked` does."""
        return await revocations.list_revoked(self._database, since_s)

    async def find_access_expiry(self, user_id: str, device_id: str) -> datetime | None:
        """Return until when the device's open sockets may live; None if the device has ended."""
        return await devices.find_access_expiry(self._database, user_id, device_id)

    def _read_token(self, token: str, now: datetime) -> AccessClaims | None:
        """Return the claims of a good token; None for any other. Keeps verified tokens."""
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
        """Return the standing of the token's device, from the cache if it is fresh.

        Raises:
            Unauthenticated: the device has ended, or the token is of a later generation than it.
        """
        standing = self._find_known(claims.device_id)
        if standing is None:
            standing = await self._read_shared(claims.user_id, claims.device_id)
        if standing is not None and standing.generation < claims.generation:
            # The row was read before the refresh that made this token.
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
        """Read the row, or wait for the reading under way. Cancelling one caller stops no other."""
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
        """Cache what was read, unless the reading failed or was dropped meanwhile."""
        failed = reading.cancelled() or reading.exception() is not None
        if self._reading.get(device_id) is not reading:
            return  # dropped by `forget` meanwhile: what it read may be old
        del self._reading[device_id]
        if failed:
            return
        self._known[device_id] = _CachedStanding(reading.result(), began)
        self._known.move_to_end(device_id)
        while len(self._known) > self._cache_size:
            self._known.popitem(last=False)

    async def _note_use(
        self, standing: DeviceStanding, claims: AccessClaims, now: datetime
    ) -> None:
        """Store that a token pair was accepted first now, and that the device is active."""
        user_id, device_id = claims.user_id, claims.device_id
        if claims.generation == standing.generation and standing.generation_accepted_at is None:
            # Waited for, since the grace period of the token before begins here.
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


def _is_plain(standing: DeviceStanding, claims: AccessClaims, now: datetime) -> bool:
    """Return whether the token is the device's newest one and good, and nothing of its use is to be
    written down: so it is for nearly all requests.
    """
    return (
        not standing.revoked
        and standing.generation == claims.generation
        and standing.generation_accepted_at is not None
        and now - standing.last_active_at < ACTIVITY_INTERVAL
    )


def _session_over() -> Refused:
    return Refused(RefusalCode.SESSION_REVOKED, SESSION_OVER)
