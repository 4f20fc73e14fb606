"""Renew the claims of jobs that run in this process.

A claim is a lease: it lasts while this process renews it, and others may take it `push_claim_s`
after the process died.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from models.background import Background, Loops
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.claims import renew_claims
from models.push.states import PushKey

# Parts of a claim's life after which it is renewed.
RENEWALS = 2.5


class ClaimRenewal:
    """Renews the claims that jobs hold; `start` begins the loop."""

    def __init__(self, database: Database, limits: Limits, *, loops: Loops | None = None) -> None:
        self._database = database
        self._every_s = limits.push_claim_s / RENEWALS
        self._at_hand: Counter[PushKey] = Counter()
        self._background = Background(loops)

    def start(self) -> None:
        self._background.every("push_claims", self._every_s, self.renew)

    async def close(self) -> None:
        await self._background.close()

    @asynccontextmanager
    async def renewing(self, keys: Iterable[PushKey]) -> AsyncIterator[None]:
        """Renew these claims until the block ends."""
        held = list(keys)
        self._at_hand.update(held)
        try:
            yield
        finally:
            self._at_hand.subtract(held)
            for key in held:
                if not self._at_hand[key]:
                    del self._at_hand[key]

    async def renew(self) -> None:
        if self._at_hand:
            await renew_claims(self._database, sorted(self._at_hand))
