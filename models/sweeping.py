"""Sweeping: delete rows whose time is over. Ages are compared by PostgreSQL's clock."""

from models.devices.revocations import BUCKET
from models.postgresql.database import Database
from models.users.users import BUCKET as PROFILE_BUCKET

# A revoked device is kept for 90 days, so that a late refresh of it is recognised.
_STATEMENTS = (
    "DELETE FROM sign_in_codes WHERE expires_at < now() - interval '1 day'",
    # A network from which the user was not let in for half a year is not known any more.
    "DELETE FROM known_networks WHERE seen_at < now() - interval '180 days'",
    # Addresses that were never confirmed, except those that refused all mail.
    "DELETE FROM push_mails WHERE confirmed_at IS NULL AND refused_at IS NULL "
    "AND expires_at < now() - interval '30 days'",
    "DELETE FROM budgets WHERE window_start < now() - interval '3 days'",
    # The name of a stream that was forgotten is kept longer, so that its client is told.
    "UPDATE inbox_streams SET began = NULL, acknowledged = NULL "
    "WHERE began IS NOT NULL AND used_at < now() - interval '30 days'",
    "DELETE FROM inbox_streams WHERE used_at < now() - interval '180 days'",
    # Processes ask for those of the last seconds; one that was away for longer finds out when its
    # streams' tokens end.
    f"DELETE FROM revocations WHERE bucket = {BUCKET} AND at < now() - interval '1 day'",
    f"DELETE FROM profile_changes WHERE bucket = {PROFILE_BUCKET} "
    "AND at < now() - interval '1 day'",
    "DELETE FROM devices WHERE revoked_at < now() - interval '90 days'",
)


async def delete_ended_rows(database: Database) -> None:
    """Delete ended codes, networks, unconfirmed addresses, budgets and devices. Safe to repeat."""
    for statement in _STATEMENTS:
        await database.execute(statement)
