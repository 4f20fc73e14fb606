"""Presence: whether a person is online, when they were last seen, and who may see that.

The rule holds for both: X sees Y's presence only if Y's audience admits X and X's admits Y, and
neither has blocked the other. Everybody sees their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from models.postgresql.database import Database
from models.postgresql.lanes import fetch_by_id, split_lanes
from models.refusals import unavailable
from models.users.privacy import Audience
from models.users.relations import Pair, list_blocked_pairs, list_contact_pairs


class Presence(msgspec.Struct, frozen=True):
    """What a viewer sees of one user. `last_seen_at` is None while they are online, and if they
    were never seen.
    """

    user_id: str
    online: bool
    last_seen_at: datetime | None


# By (viewer's id, id of the user they look at). A pair is left out if the viewer may not know of
# it; the value is None for a user who was never seen.
LastSeen = dict[Pair, datetime | None]


async def list_last_seen(database: Database, pairs: Iterable[Pair]) -> LastSeen:
    """Return when users were last seen, for the pairs whose viewer may know of it.

    Runs at most three statements a lane, however many pairs there are.
    """
    asked = list(dict.fromkeys(pairs))
    if not asked:
        return {}
    rows = await fetch_by_id(
        database,
        "SELECT id, last_seen_audience, last_seen_at FROM users WHERE id = ANY ($1)",
        list({user_id for pair in asked for user_id in pair}),
    )
    audiences = {row["id"]: Audience(row["last_seen_audience"]) for row in rows}
    admitted = await _list_admitted(database, asked, audiences)
    last_seen: dict[str, datetime | None] = {row["id"]: row["last_seen_at"] for row in rows}
    return {pair: last_seen[pair[1]] for pair in admitted}


async def _list_admitted(
    database: Database, pairs: Sequence[Pair], audiences: Mapping[str, Audience]
) -> list[Pair]:
    """Return the pairs whose viewer may know of the other: by audience, blocks and contacts."""
    own = [pair for pair in pairs if pair[0] == pair[1] and pair[0] in audiences]
    others = [pair for pair in pairs if pair[0] != pair[1] and _may_admit(pair, audiences)]
    blocked = await list_blocked_pairs(database, others)
    others = [pair for pair in others if pair not in blocked]
    narrow = [
        pair for pair in others if Audience.CONTACTS in (audiences[pair[0]], audiences[pair[1]])
    ]
    strangers = set(narrow) - await list_contact_pairs(database, narrow)
    return own + [pair for pair in others if pair not in strangers]


def _may_admit(pair: Pair, audiences: Mapping[str, Audience]) -> bool:
    """Return whether both users exist and neither hides their presence from everybody."""
    return all(audiences.get(user_id, Audience.NOBODY) is not Audience.NOBODY for user_id in pair)


async def note_last_seen(database: Database, ages_s: Mapping[str, float]) -> None:
    """Store when users were last seen, given as seconds ago by user id. The later time wins.

    Raises:
        Refused: UNAVAILABLE. The caller should try again later.
    """
    # One clock for all processes. It is a parameter below, for servers of a cluster have several.
    now: datetime = await database.fetchval("SELECT now()")
    try:
        for lane in split_lanes(database, sorted(ages_s), lambda user_id: user_id):
            await database.execute(
                """
                UPDATE users u SET last_seen_at = x.at
                FROM unnest($1::uuid[], $2::timestamptz[]) AS x (id, at)
                WHERE u.id = ANY ($1) AND u.id = x.id
                  AND (u.last_seen_at IS NULL OR u.last_seen_at < x.at)
                """,
                lane,
                [now - timedelta(seconds=ages_s[user_id]) for user_id in lane],
            )
    except asyncpg.DeadlockDetectedError:
        # Another node wrote the same users at the same time, in another order.
        raise unavailable() from None
