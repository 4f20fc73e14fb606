"""Presence: whether a person is online, when they were last seen, and who may know of it.

The rule has two sides: X sees Y's presence only if Y's audience admits X and X's admits Y, and
neither has blocked the other. Everybody sees their own. The one clock of `last_seen_at` is
PostgreSQL's `now()`: processes only say how long ago it was, measured by themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec

from models.database import Connection, Database
from models.refusals import unavailable
from models.users.privacy import Audience
from models.users.relations import Pair, list_blocked_pairs, list_contact_pairs


class Presence(msgspec.Struct, frozen=True):
    """What a viewer sees of one user. `last_seen_at` is None while they are online."""

    user_id: str
    online: bool
    last_seen_at: datetime | None


# By (viewer, user looked at): those that the viewer may know of. None: never seen.
LastSeen = dict[Pair, datetime | None]


async def list_last_seen(database: Database, pairs: Iterable[Pair]) -> LastSeen:
    """When the users were last seen, for the pairs whose viewer may know of it.

    At most three statements, however many pairs.
    """
    asked = list(dict.fromkeys(pairs))
    if not asked:
        return {}
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT id, last_seen_audience, last_seen_at FROM users WHERE id = ANY ($1)",
            list({user_id for pair in asked for user_id in pair}),
        )
        audiences = {row[0]: Audience(row[1]) for row in rows}
        admitted = await _list_admitted(connection, asked, audiences)
    last_seen: dict[str, datetime | None] = {row[0]: row[2] for row in rows}
    return {pair: last_seen[pair[1]] for pair in admitted}


async def _list_admitted(
    connection: Connection, pairs: Sequence[Pair], audiences: Mapping[str, Audience]
) -> list[Pair]:
    own = [pair for pair in pairs if pair[0] == pair[1] and pair[0] in audiences]
    others = [pair for pair in pairs if pair[0] != pair[1] and _may_admit(pair, audiences)]
    blocked = await list_blocked_pairs(connection, others)
    others = [pair for pair in others if pair not in blocked]
    narrow = [
        pair for pair in others if Audience.CONTACTS in (audiences[pair[0]], audiences[pair[1]])
    ]
    strangers = set(narrow) - await list_contact_pairs(connection, narrow)
    return own + [pair for pair in others if pair not in strangers]


def _may_admit(pair: Pair, audiences: Mapping[str, Audience]) -> bool:
    """Both exist, and neither hides it from everybody."""
    return all(audiences.get(user_id, Audience.NOBODY) is not Audience.NOBODY for user_id in pair)


async def note_last_seen(database: Database, ages_s: Mapping[str, float]) -> None:
    """Note that users were last seen so many seconds ago. The later time wins.

    Raises:
        Refused: UNAVAILABLE; note them again later.
    """
    user_ids = sorted(ages_s)
    try:
        await database.execute(
            """
            UPDATE users u SET last_seen_at = now() - x.age * interval '1 second'
            FROM unnest($1::uuid[], $2::float8[]) AS x (id, age)
            WHERE u.id = ANY ($1) AND u.id = x.id
              AND (u.last_seen_at IS NULL OR u.last_seen_at < now() - x.age * interval '1 second')
            """,
            user_ids,
            [ages_s[user_id] for user_id in user_ids],
        )
    except asyncpg.DeadlockDetectedError:
        # Two nodes write two people at once, in another order.
        raise unavailable() from None
