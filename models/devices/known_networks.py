"""Known networks: those from which a number's owner signed in or refreshed a session.

A request for a code from such a network is counted apart from strangers'
requests (`models/devices/codes.py`), so that no stranger uses up the owner's share. A network is
the /24 of an IPv4 address and the /48 of an IPv6 one. Only a keyed digest of user and network is
stored: nobody can read from it where a user was.
"""

from datetime import datetime, timedelta

from models.limits.budgets import UNKNOWN, network_key
from models.postgresql.database import Connection
from models.tokens import Tokens

# How stale `seen_at` may be: a device that refreshes all day writes once.
_SEEN_INTERVAL = timedelta(days=1)
# The id of no user.
_NOBODY = "0" * 32

_NOTE = """
INSERT INTO known_networks AS k (user_id, digest, seen_at) VALUES ($1, $2, $3)
ON CONFLICT (user_id, digest) DO UPDATE SET seen_at = excluded.seen_at
WHERE k.seen_at < $4
"""


async def note_network(
    connection: Connection, tokens: Tokens, user_id: str, address: str, *, now: datetime
) -> None:
    """Store that the user was let in from the network of this address."""
    digest = tokens.digest_network(user_id, network_key(address))
    await connection.execute(_NOTE, user_id, digest, now, now - _SEEN_INTERVAL)


async def is_known_network(
    connection: Connection, tokens: Tokens, number: str, address: str
) -> bool:
    """Return whether the number's owner was let in from this address's network before.

    Runs the same two statements whether the number has an owner or not, so that the time tells
    nothing.
    """
    owner = await connection.fetchval("SELECT user_id FROM phone_numbers WHERE number = $1", number)
    user_id = str(owner or _NOBODY)
    network = network_key(address)
    digests = tokens.digests_of_network(user_id, network)
    found = await connection.fetchval(
        "SELECT count(*) FROM known_networks WHERE user_id = $1 AND digest = ANY($2)",
        user_id,
        digests,
    )
    return bool(found) and network != UNKNOWN
