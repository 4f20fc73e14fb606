"""The session watch: tells a device's open streams on this node when the session is about to end,
and when it has.

A revocation on any process is seen within two seconds, by asking PostgreSQL for the newest ones: no
hint is needed for it, and a connection that has died without a sign is left in time. A renewal is
seen when the time comes: before a stream is ended its device is asked for again.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from models.background import Background, Loops
from models.devices.sessions import Sessions
from models.devices.viewer import Viewer

POLL_S = 0.5
# After a check that failed.
CHECK_AGAIN_S = 1.0
# A revocation commits a moment after the time that it bears.
OVERLAP_S = 5.0


class Listener(Protocol):
    def session_expiring(self, expires_at: datetime) -> None:
        """Hear that the session ends at that time, unless it is refreshed."""

    def session_over(self) -> None:
        """Hear that the session has ended: revoked, or expired without a refresh."""


class _Watched:
    __slots__ = ("expires_at", "listeners", "noticed", "timer", "user_id")

    def __init__(self, user_id: str, expires_at: datetime) -> None:
        self.user_id = user_id
        self.expires_at = expires_at
        self.listeners: set[Listener] = set()
        self.noticed = False
        self.timer: asyncio.TimerHandle | None = None


class SessionWatch:
    def __init__(self, sessions: Sessions, *, notice_s: float, loops: Loops | None = None) -> None:
        self._sessions = sessions
        self._notice_s = notice_s
        self._devices: dict[str, _Watched] = {}
        self._background = Background(loops)
        self._polled_at = time.monotonic()

    def start(self) -> None:
        # Without a longer pause after an error: a revocation acts within two seconds.
        self._background.every("session_poll", POLL_S, self._poll, longest_pause_s=0)

    async def close(self) -> None:
        await self._background.close()

    def follow(self, viewer: Viewer, listener: Listener) -> Callable[[], None]:
        """Tell the listener of the viewer's device; call what is returned when it no longer
        listens.
        """
        device_id = viewer.device_id
        watched = self._devices.get(device_id)
        if watched is None:
            watched = self._devices[device_id] = _Watched(viewer.user.id, viewer.token_expires_at)
            self._set_timer(device_id, watched)
        elif viewer.token_expires_at > watched.expires_at:
            self._renew(device_id, watched, viewer.token_expires_at)
        watched.listeners.add(listener)

        def stop() -> None:
            watched.listeners.discard(listener)
            if not watched.listeners and self._devices.get(device_id) is watched:
                del self._devices[device_id]
                if watched.timer is not None:
                    watched.timer.cancel()

        return stop

    # ---------------------------------------------------------------- expiry

    def _set_timer(self, device_id: str, watched: _Watched) -> None:
        """Wake up for the notice, and then for the end."""
        left_s = (watched.expires_at - datetime.now(UTC)).total_seconds()
        if not watched.noticed:
            left_s -= self._notice_s
        if watched.timer is not None:
            watched.timer.cancel()
        self._check_in(max(0, left_s), device_id, watched)

    def _check_in(self, seconds: float, device_id: str, watched: _Watched) -> None:
        watched.timer = asyncio.get_running_loop().call_later(
            seconds,
            lambda: self._background.spawn("session_check", self._check(device_id, watched)),
        )

    def _renew(self, device_id: str, watched: _Watched, expires_at: datetime) -> None:
        watched.expires_at = expires_at
        watched.noticed = False
        self._set_timer(device_id, watched)

    async def _check(self, device_id: str, watched: _Watched) -> None:
        """Give the notice or end the streams, unless the device was refreshed meanwhile."""
        try:
            expires_at = await self._sessions.find_access_expiry(watched.user_id, device_id)
        except Exception:
            # Whatever it was: nothing else would look again.
            self._check_in(CHECK_AGAIN_S, device_id, watched)
            raise
        now = datetime.now(UTC)
        if expires_at is None or (watched.noticed and max(expires_at, watched.expires_at) <= now):
            self._end(device_id)
        elif expires_at > watched.expires_at + timedelta(milliseconds=1):
            self._renew(device_id, watched, expires_at)
        else:
            if not watched.noticed:
                watched.noticed = True
                self._tell(watched, lambda listener: listener.session_expiring(watched.expires_at))
            self._set_timer(device_id, watched)

    def _end(self, device_id: str) -> None:
        self._sessions.forget(device_id)
        watched = self._devices.pop(device_id, None)
        if watched is None:
            return
        if watched.timer is not None:
            watched.timer.cancel()
        self._tell(watched, lambda listener: listener.session_over())

    def _tell(self, watched: _Watched, tell: Callable[[Listener], None]) -> None:
        """Tell each listener; one that fails keeps it from no other."""
        for listener in tuple(watched.listeners):
            try:
                tell(listener)
            except Exception as error:
                self._background.note("session_listener", error)

    # ---------------------------------------------------------------- revocation

    async def _poll(self) -> None:
        started = time.monotonic()
        revoked = await self._sessions.list_revoked(started - self._polled_at + OVERLAP_S)
        for _, device_id in revoked:
            self._sessions.forget(device_id)
            self._end(device_id)
        self._polled_at = started
