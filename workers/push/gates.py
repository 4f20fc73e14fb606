"""The gates of push as a worker knows them: what a provider's answers mean for all others who wait
for it, and the loop that lets those go who waited.

An answer that says "later" (429, 503) closes the gate of all that goes the same way, for as long as
it says. One that is only missing or broken does so when it is one of several in a row, and then a
single push is tried each few seconds until one is answered.
"""

from collections.abc import Sequence

import msgspec

from models.background import Background, Loops
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.push.gates import Closed, close_gates, list_closed, look_after_gates, open_gate
from workers.push.gathering import Gathering
from workers.push.providers.pushes import Blames, ProviderAnswer, PushOutcome

# Failures in a row, without a reason given, until a provider is taken for down.
DOWN_AFTER = 3
# Providers whose failures are counted; more are of people who make them up.
COUNTED = 10_000
LONGEST_LOOK_S = 1.0
SOON_S = 1.0


class Way(msgspec.Struct, frozen=True):
    """The gates that a push goes through: that of everything which its provider takes by the same
    way, and that of its endpoint alone. `probes`: those that are closed, and that it is to try.
    """

    provider: str
    endpoint: str
    probes: frozenset[str] = frozenset()


class Hold(msgspec.Struct, frozen=True):
    """A gate at which a job is to wait, and since how many seconds nothing has gone through it."""

    gate: str
    since_s: float = 0.0


class Gates:
    """`start` begins the loop that lets parked jobs go."""

    def __init__(self, database: Database, limits: Limits, *, loops: Loops | None = None) -> None:
        self._database = database
        self._limits = limits
        self._every_s = min(LONGEST_LOOK_S, limits.push_probe_s / 4)
        self._background = Background(loops)
        self._closing = Gathering[Closed, float](self._close_all)
        # Failures in a row, by the provider's gate.
        self._failures: dict[str, int] = {}

    def start(self) -> None:
        self._background.every("push_gates", self._every_s, self.look, jitter=0.1)

    async def close(self) -> None:
        await self._background.close()

    async def look(self) -> None:
        await look_after_gates(self._database, limits=self._limits, every_s=self._every_s)

    async def pass_all(self, ways: Sequence[Way]) -> list[Way | Hold]:
        """Return for each the way, with its probes, or where it is to wait. A probe is given once.

        Raises:
            Refused: UNAVAILABLE.
        """
        keys = {key for way in ways for key in (way.provider, way.endpoint)}
        closed = await list_closed(self._database, sorted(keys), probe_s=self._limits.push_probe_s)
        return [_pass(way, closed) for way in ways] if closed else list(ways)

    async def note(self, way: Way, answer: ProviderAnswer, *, after_s: float) -> Hold | None:
        """Learn from what a provider said to a push. Returns where its job is to wait; None where
        it has its answer, or waits for itself. `after_s`: for how long an endpoint is left alone
        whose provider does not say.

        Raises:
            Refused: UNAVAILABLE.
        """
        blames = answer.blames if answer.outcome is PushOutcome.RETRY else Blames.ENDPOINT
        if blames is Blames.NOBODY:
            return None
        if blames is Blames.ENDPOINT:
            self._failures.pop(way.provider, None)
            await self._open(way, answer)
            if answer.outcome is not PushOutcome.RETRY:
                return None
            return await self._close(way.endpoint, answer.retry_after_s or after_s)
        failures = self._count_failure(way.provider)
        if blames is Blames.PROVIDER or failures >= DOWN_AFTER or way.provider in way.probes:
            return await self._close(way.provider, self._find_pause_s(way, answer))
        return None

    def _find_pause_s(self, way: Way, answer: ProviderAnswer) -> float:
        """As the provider says. Else what was cut off all at once is soon tried again, and what has
        been tried, later.
        """
        probe_s = self._limits.push_probe_s
        if answer.retry_after_s is not None:
            return max(answer.retry_after_s, min(SOON_S, probe_s))
        is_first = answer.blames is Blames.UNSURE and way.provider not in way.probes
        return min(SOON_S, probe_s) if is_first else probe_s

    def _count_failure(self, provider: str) -> int:
        if len(self._failures) >= COUNTED:
            self._failures.clear()
        self._failures[provider] = self._failures.get(provider, 0) + 1
        return self._failures[provider]

    async def _open(self, way: Way, answer: ProviderAnswer) -> None:
        for gate in way.probes:
            if gate == way.provider or answer.outcome is not PushOutcome.RETRY:
                await open_gate(self._database, gate)

    async def _close(self, gate: str, after_s: float) -> Hold:
        return Hold(gate, await self._closing.ask(Closed(gate, after_s)))

    async def _close_all(self, closed: Sequence[Closed]) -> list[float]:
        since_s = await close_gates(self._database, closed)
        return [since_s[each.key] for each in closed]


def _pass(way: Way, closed: dict[str, bool]) -> Way | Hold:
    """Pass all gates of the way, or say what holds it. `closed` says of each closed gate whether
    its probe is to be had; it is taken from there.
    """
    probes = set()
    for gate in (way.endpoint, way.provider):
        if gate not in closed:
            continue
        if not closed[gate]:
            return Hold(gate)
        probes.add(gate)
    for gate in probes:
        closed[gate] = False
    return msgspec.structs.replace(way, probes=frozenset(probes))
