"""Connections that are held open: sockets and streams, counted by user and by address over all
nodes, so that nobody holds more than their share.

Each node writes how many it holds of each owner, beside its lease: a node that dies holds none as
soon as its lease has ended. One task asks for all that wait, in one call. While Valkey is away each
node counts for itself, and writes all again when it is back.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from typing import NamedTuple

from models.background import Background, Loops
from models.deadlines import within
from models.devices.viewer import Viewer
from models.limits.budgets import address_key
from models.limits.limits import Limits, name_of
from models.refusals import RefusalCode, Refused
from subscriptions.nodes.registry import REGISTRY
from subscriptions.scripts import AWAY, Call, Groups, Script, Valkey

# Connections that are asked for, and owners whose count is written, in one call.
AT_ONCE = 200
# What ended is written within this.
GATHER_S = 0.2
VALKEY_WITHIN_S = 0.5
TRY_AGAIN_S = 2.0
# An owner's hash is kept for so long after it was written, and is written again before that.
KEPT_S = 3 * 3600
WRITE_AGAIN_S = 3600
# Who has as many as there may be is not asked for again before this.
FULL_S = 1.0
FULL_KEPT = 10_000
RETRY_AFTER_MS = 5000


class Owner(NamedTuple):
    """Name whose connections are counted, and the limit (a field of `Limits`)."""

    limit: str
    id: str


class _Opening(NamedTuple):
    owners: tuple[Owner, ...]
    # Who has too many; None if it may be opened.
    answer: "asyncio.Future[Owner | None]"


class _Piece:
    """Hold what is asked of one group: its owners, and for the openings that have any of them the
    places of those.
    """

    def __init__(self, tag: str, owners: list[Owner], openings: Sequence[_Opening]) -> None:
        self.tag = tag
        self.owners = owners
        places = {owner: str(place) for place, owner in enumerate(owners, 1)}
        self.openings = {
            number: words
            for number, opening in enumerate(openings)
            if (words := " ".join(places[o] for o in opening.owners if o in places))
        }


class Connections:
    """Count the connections that one node holds, and ask for more."""

    def __init__(
        self, valkey: Valkey, node_id: str, limits: Limits, loops: Loops | None = None
    ) -> None:
        self._node_id = node_id
        self._limits = limits
        # Beside the leases, which say whose counts still count.
        self._groups = Groups(valkey, REGISTRY)
        self._script = Script(valkey, "hold_connections")
        self._held: dict[Owner, int] = {}
        self._openings: deque[_Opening] = deque()
        # Owners whose count is to be written, in order.
        self._changed: dict[Owner, None] = {}
        self._full_until: dict[Owner, float] = {}
        self._away_until = 0.0
        self._wanting = asyncio.Event()
        self._urgent = asyncio.Event()
        self._background = Background(loops)

    def start(self) -> None:
        self._background.forever("connections", self._ask, away=AWAY)
        self._background.every("connections_again", WRITE_AGAIN_S, self._write_again, jitter=0.1)

    async def close(self) -> None:
        """Stop asking. The counts end with the node's lease."""
        await self._background.close()

    @contextlib.asynccontextmanager
    async def hold(self, viewer: Viewer | None, address: str) -> AsyncIterator[None]:
        """Count one connection while it is open.

        Raises:
            Refused: RATE_LIMITED.
        """
        connection = HeldConnection(self, address)
        await connection.hold(viewer)
        try:
            yield
        finally:
            connection.end()

    def held(self, owner: Owner) -> int:
        """Return how many this node holds."""
        return self._held.get(owner, 0)

    async def take(self, owners: tuple[Owner, ...]) -> None:
        """Count one more connection for each of the owners, or for none.

        Raises:
            Refused: RATE_LIMITED; one of them has as many as there may be.
        """
        full = self._find_full(owners)
        if full is None:
            answer: asyncio.Future[Owner | None] = asyncio.get_running_loop().create_future()
            self._openings.append(_Opening(owners, answer))
            self._wanting.set()
            self._urgent.set()
            try:
                full = await answer
            except asyncio.CancelledError:
                if answer.done() and not answer.cancelled() and answer.result() is None:
                    self.release(owners)
                raise
        if full is not None:
            raise self._refusal(full)

    def release(self, owners: tuple[Owner, ...]) -> None:
        """Count one less for each of the owners."""
        for owner in owners:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
            self._full_until.pop(owner, None)
            self._changed[owner] = None
        self._wanting.set()

    def write_all(self) -> None:
        """Write all counts again: Valkey may have lost them."""
        self._changed.update(dict.fromkeys(self._held))
        self._wanting.set()

    async def _write_again(self) -> None:
        self.write_all()

    # ---------------------------------------------------------------- deciding

    def _most(self, owner: Owner) -> int:
        most: int = getattr(self._limits, owner.limit)
        return most

    def _find_full(self, owners: Sequence[Owner]) -> Owner | None:
        """Return one who has too many, as far as this node knows by itself."""
        now = time.monotonic()
        for owner in owners:
            if self.held(owner) >= self._most(owner) or self._full_until.get(owner, 0) > now:
                return owner
        return None

    def _refusal(self, owner: Owner) -> Refused:
        return Refused(
            RefusalCode.RATE_LIMITED,
            f"Too many connections are open ({name_of(owner.limit)}: {self._most(owner)} at once, "
            "on all devices together). Close one, or try again later.",
            retry_after_ms=RETRY_AFTER_MS,
        )

    async def _ask(self) -> None:
        """Ask for what waits, and write what has changed."""
        await self._wanting.wait()
        with contextlib.suppress(TimeoutError):
            await within(self._urgent.wait(), GATHER_S)
        self._wanting.clear()
        self._urgent.clear()
        openings = [
            opening
            for opening in self._take_openings()
            if not opening.answer.done() and not self._answer_if_full(opening)
        ]
        changed = list(islice(self._changed, AT_ONCE))
        for owner in changed:
            del self._changed[owner]
        for opening, full in zip(openings, await self._decide(openings, changed), strict=True):
            self._answer(opening, full)
        if self._openings or (self._changed and time.monotonic() >= self._away_until):
            self._wanting.set()
        if self._openings:
            self._urgent.set()

    def _take_openings(self) -> list[_Opening]:
        return [self._openings.popleft() for _ in range(min(AT_ONCE, len(self._openings)))]

    def _answer_if_full(self, opening: _Opening) -> bool:
        full = self._find_full(opening.owners)
        if full is not None:
            opening.answer.set_result(full)
        return full is not None

    def _answer(self, opening: _Opening, full: Owner | None) -> None:
        if full is not None:
            self._full_until[full] = time.monotonic() + FULL_S
            if len(self._full_until) > FULL_KEPT:
                del self._full_until[next(iter(self._full_until))]
        elif not opening.answer.cancelled():
            for owner in opening.owners:
                self._held[owner] = self._held.get(owner, 0) + 1
        else:
            # It was counted for nobody.
            self._changed.update(dict.fromkeys(opening.owners))
            self._wanting.set()
        if not opening.answer.cancelled():
            opening.answer.set_result(full)

    async def _decide(
        self, openings: Sequence[_Opening], changed: Sequence[Owner]
    ) -> list[Owner | None]:
        if time.monotonic() >= self._away_until:
            try:
                return await within(self._decide_together(openings, changed), VALKEY_WITHIN_S)
            except AWAY:
                self._away_until = time.monotonic() + TRY_AGAIN_S
            except Exception as error:
                # Whoever waits gets an answer in any case.
                self._background.note("connections", error)
        self._changed.update(dict.fromkeys(changed))
        return self._decide_here(openings)

    async def _decide_together(
        self, openings: Sequence[_Opening], changed: Sequence[Owner]
    ) -> list[Owner | None]:
        """Ask the group of each owner. Who was let in by one group and not by another was counted
        by the first for nothing, so that count is written again.
        """
        owners = dict.fromkeys((*changed, *(o for each in openings for o in each.owners)))
        by_name = {f"{owner.limit}:{owner.id}": owner for owner in owners}
        pieces = [
            _Piece(tag, [by_name[name] for name in names], openings)
            for tag, names in self._groups.divide(by_name)
        ]
        answers = await self._script.run_all([self._call(piece) for piece in pieces])
        full: dict[int, Owner] = {}
        for piece, answer in zip(pieces, answers, strict=True):
            for number, place in zip(piece.openings, answer, strict=True):
                if place:
                    full[number] = piece.owners[place - 1]
        if len(pieces) > 1 and full:
            self._changed.update(
                dict.fromkeys(o for number in full for o in openings[number].owners)
            )
            self._wanting.set()
        return [full.get(number) for number in range(len(openings))]

    def _call(self, piece: "_Piece") -> Call:
        args: list[object] = [self._node_id, piece.tag + "node:", KEPT_S * 1000]
        for owner in piece.owners:
            args += (self._most(owner), self.held(owner))
        args += piece.openings.values()
        return Call([f"{piece.tag}connections:{o.limit}:{o.id}" for o in piece.owners], args)

    def _decide_here(self, openings: Sequence[_Opening]) -> list[Owner | None]:
        """Decide by what this node holds, while Valkey is away."""
        taken: dict[Owner, int] = {}
        decided: list[Owner | None] = []
        for opening in openings:
            full = next(
                (o for o in opening.owners if self.held(o) + taken.get(o, 0) >= self._most(o)),
                None,
            )
            decided.append(full)
            if full is None:
                for owner in opening.owners:
                    taken[owner] = taken.get(owner, 0) + 1
                    self._changed[owner] = None
        return decided


class HeldConnection:
    """Count one connection for whoever is on it, from its beginning to its end."""

    def __init__(self, connections: Connections, address: str) -> None:
        self._connections = connections
        self._address = address_key(address)
        self._owners: tuple[Owner, ...] = ()

    async def hold(self, viewer: Viewer | None) -> None:
        """Count it as the user's and the address's, or as one of somebody who is not signed in; and
        no more as what it was counted as before.

        Raises:
            Refused: RATE_LIMITED; it stays counted as it was.
        """
        if viewer is None:
            owners: tuple[Owner, ...] = (
                Owner("signed_out_connections_per_address", self._address),
            )
        else:
            owners = (
                Owner("connections_per_user", viewer.user.id),
                Owner("connections_per_address", self._address),
            )
        await self._connections.take(owners)
        self.end()
        self._owners = owners

    def end(self) -> None:
        owners, self._owners = self._owners, ()
        self._connections.release(owners)
