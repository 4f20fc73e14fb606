"""Budgets in PostgreSQL: at most so much in any window of time, counted over all processes.

The sliding window is approximated: what was spent in the fixed window before counts in proportion
to the part of it that the sliding window still covers. A refused charge spends nothing. Several
budgets are spent in one transaction, all or none; callers charge them in one fixed order of kinds,
so that two transactions cannot deadlock. Token buckets, which never wait, are in
models/limits/buckets.py.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from models.limits.limits import Budget
from models.postgresql.database import Connection
from models.refusals import RefusalCode, Refused

# GraphQL's Int ends here.
MAX_WAIT_MS = 2**31 - 1

# The key that stands for all text that is not an IP address.
UNKNOWN = "unknown"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The row's windows as they are at $2, the start of the current window, with $3 that of the one
# before: the row may be of this window, the one before or an older one. A row of a later window
# comes from a process whose clock is ahead, and is added to.
_SPENT = "CASE WHEN b.window_start >= $2 THEN b.spent ELSE 0 END"
_SPENT_BEFORE = """CASE WHEN b.window_start >= $2 THEN b.spent_before
    WHEN b.window_start = $3 THEN b.spent ELSE 0 END"""

_SPEND = f"""
INSERT INTO budgets AS b (key, window_start, spent, spent_before) VALUES ($1, $2, $4, 0)
ON CONFLICT (key) DO UPDATE SET
    window_start = greatest(b.window_start, $2),
    spent = {_SPENT} + $4,
    spent_before = {_SPENT_BEFORE}
WHERE {_SPENT} + $4 + ({_SPENT_BEFORE}) * $5::float8 <= $6
RETURNING 1
"""
_LOOK = f"SELECT {_SPENT} AS spent, {_SPENT_BEFORE} AS spent_before FROM budgets b WHERE key = $1"


class Charge(msgspec.Struct, frozen=True):
    """An amount to spend from the budget of one key; `reason` is the text of the refusal."""

    key: str
    budget: Budget
    reason: str
    amount: int = 1


class _Window(msgspec.Struct, frozen=True):
    start: datetime
    start_before: datetime
    # The share of the window before that the sliding window still covers.
    weight: float


async def spend(connection: Connection, charges: Sequence[Charge], *, now: datetime) -> None:
    """Spend all charges within the caller's transaction, which a refusal must roll back.

    Raises:
        Refused: RATE_LIMITED with the time after which the charge would pass, if nothing else is
            spent until then.
    """
    for charge in charges:
        window = _window(charge.budget, now)
        passed = charge.amount <= charge.budget.amount and await connection.fetchval(
            _SPEND,
            charge.key,
            window.start,
            window.start_before,
            charge.amount,
            window.weight,
            charge.budget.amount,
        )
        if not passed:
            raise await _refusal(connection, charge, now)


async def require_left(connection: Connection, charge: Charge, *, now: datetime) -> None:
    """Refuse as `spend` would, but spend nothing.

    Raises:
        Refused: RATE_LIMITED.
    """
    window = _window(charge.budget, now)
    row = await connection.fetchrow(_LOOK, charge.key, window.start, window.start_before)
    spent, before = (row["spent"], row["spent_before"]) if row else (0, 0)
    if spent + charge.amount + before * window.weight > charge.budget.amount:
        raise await _refusal(connection, charge, now)


async def _refusal(connection: Connection, charge: Charge, now: datetime) -> Refused:
    window = _window(charge.budget, now)
    row = await connection.fetchrow(_LOOK, charge.key, window.start, window.start_before)
    spent, before = (row["spent"], row["spent_before"]) if row else (0, 0)
    wait_s = wait_for(charge, spent, before, elapsed_s=(now - window.start).total_seconds())
    return Refused(
        RefusalCode.RATE_LIMITED,
        charge.reason,
        retry_after_ms=min(int(wait_s * 1000) + 1, MAX_WAIT_MS),
    )


def wait_for(charge: Charge, spent: int, before: int, *, elapsed_s: float) -> float:
    """Return the seconds until the charge would pass: until enough of the older window has slid
    out, in this window or the next.
    """
    window_s = charge.budget.window_s
    room = charge.budget.amount - charge.amount
    if room < 0:
        return window_s
    if spent <= room:
        share = 1 - (room - spent) / before if before else 0.0
        return max(0.0, share * window_s - elapsed_s)
    return window_s - elapsed_s + (1 - room / spent) * window_s


def _window(budget: Budget, now: datetime) -> _Window:
    length = timedelta(seconds=budget.window_s)
    start = _EPOCH + (now - _EPOCH) // length * length
    return _Window(start, start - length, 1 - (now - start) / length)


def address_key(address: str) -> str:
    """Return one key for all addresses of one customer of a provider: the whole address of IPv4,
    the /64 of IPv6.
    """
    return _prefix_key(address, 32, 64)


def network_key(address: str) -> str:
    """Return one key for the network around an address: the /24 of IPv4, and the /48 of IPv6, of
    which one customer may have all.
    """
    return _prefix_key(address, 24, 48)


# Each connection asks for some, and most come from the addresses of a few proxies.
@lru_cache(maxsize=10_000)
def _prefix_key(address: str, v4_bits: int, v6_bits: int) -> str:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if ip.version == 6 and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    bits = v4_bits if ip.version == 4 else v6_bits
    return str(ipaddress.ip_network((ip, bits), strict=False).network_address)
