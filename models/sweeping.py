"""What may be deleted because its time is over. Ages are compared by PostgreSQL's clock."""

from models.database import Database

# A revoked device is kept a while, so that late refreshes of it are known for what they are.
_STATEMENTS = (
    "DELETE FROM sign_in_codes WHERE expires_at < now() - interval '1 day'",
    # A network where nobody was let in for half a year is a stranger's again.
    "DELETE FROM known_networks WHERE seen_at < now() - interval '180 days'",
    # Addresses that were never confirmed, but those that want to be left in peace.
    "DELETE FROM push_mails WHERE confirmed_at IS NULL AND refused_at IS NULL "
    "AND expires_at < now() - interval '30 days'",
    "DELETE FROM budgets WHERE window_start < now() - interval '3 days'",
    "DELETE FROM devices WHERE revoked_at < now() - interval '90 days'",
)


async def delete_ended_rows(database: Database) -> None:
    for statement in _STATEMENTS:
        await database.execute(statement)
