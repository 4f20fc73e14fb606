"""Unsubscribing: what the link in a mail does, for whoever reads that mailbox, signed in or not."""

from datetime import datetime

from models.postgresql.database import Database
from models.push.addresses import PushEndpointKind
from models.push.endpoints import end_endpoint
from models.push.mails import end_mail
from models.tokens import UnsubscribeClaims

# The same locks in the same order as whoever sets an endpoint.
_LOCK = f"""
SELECT id FROM devices WHERE user_id = $1 AND id IN (
    SELECT e.device_id FROM push_endpoints e JOIN push_mails m ON m.user_id = $1 AND m.digest = $2
    WHERE e.user_id = $1 AND e.kind = '{PushEndpointKind.EMAIL.value}'
      AND e.address ->> 'address' = m.address
) ORDER BY id FOR NO KEY UPDATE
"""
_AT_THE_ADDRESS = f"""
SELECT device_id FROM push_endpoints
WHERE user_id = $1 AND kind = '{PushEndpointKind.EMAIL.value}' AND address ->> 'address' = $2
ORDER BY device_id
"""


async def unsubscribe(database: Database, claims: UnsubscribeClaims, *, now: datetime) -> None:
    """Send no more to that address for that user: no device of theirs has it as its endpoint. They
    may confirm it again; but not where a code came that the mailbox's owner had not asked for.
    Safe to repeat.
    """
    user_id, digest = claims.user_id, claims.digest
    async with database.transaction() as connection:
        await connection.execute(_LOCK, user_id, digest)
        address = await end_mail(connection, user_id, digest, refuse=claims.refuse, now=now)
        if address is not None:
            for row in await connection.fetch(_AT_THE_ADDRESS, user_id, address):
                await end_endpoint(connection, user_id, row["device_id"])
