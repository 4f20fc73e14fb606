"""Phone numbers: whose they are, and who knows them. A number is in E.164 form: `+` and digits.

A number is shown to its owner and to users who knew it before, that is, who asked for it by contact
discovery. The table `contacts` records who did.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from models.limits.budgets import Charge, address_key, spend
from models.limits.limits import Limits
from models.postgresql.database import Connection, Database
from models.postgresql.lanes import fetch_by_id, split_lanes
from models.postgresql.many_rows import ManyRows
from models.refusals import invalid
from models.users.users import User, list_users


async def claim_number(connection: Connection, number: str, user_id: str) -> str:
    """Give the number to the user unless it has an owner. Return the id of its owner."""
    claimed = await connection.fetchval(
        "INSERT INTO phone_numbers (number, user_id) VALUES ($1, $2) "
        "ON CONFLICT (number) DO NOTHING RETURNING user_id",
        number,
        user_id,
    )
    if claimed is None:
        owner = await connection.fetchval(
            "SELECT user_id FROM phone_numbers WHERE number = $1", number
        )
        return str(owner)
    await connection.execute(
        "INSERT INTO user_phone_numbers (user_id, number) VALUES ($1, $2)", user_id, number
    )
    return user_id


async def discover_contacts(
    database: Database,
    viewer_id: str,
    numbers: Sequence[str],
    *,
    address: str,
    limits: Limits,
    now: datetime,
) -> list[User]:
    """Return the users of these numbers, each once, in the order of the numbers, and record that
    the viewer knows the numbers found.

    Raises:
        Refused: INVALID_INPUT for too many numbers; RATE_LIMITED when a budget of numbers is
            spent: the viewer's, their address's, or the one of all users together.
    """
    if len(numbers) > limits.phone_numbers:
        raise invalid(
            f"At most {limits.phone_numbers} numbers can be asked for at once.", "phoneNumbers"
        )
    wanted = list(dict.fromkeys(numbers))
    if not wanted:
        return []
    async with database.transaction() as connection:
        await spend(connection, _charges(viewer_id, address, len(wanted), limits), now=now)
    owners: dict[str, str] = {}
    for lane in split_lanes(database, wanted, lambda number: number):
        rows = await database.fetch(
            "SELECT number, user_id FROM phone_numbers WHERE number = ANY($1)", lane
        )
        owners |= {row["number"]: row["user_id"] for row in rows}
    found = list(dict.fromkeys(owners[number] for number in wanted if number in owners))
    await _add_contacts(database, viewer_id, found)
    users = await list_users(database, found)
    return [users[user_id] for user_id in found if user_id in users]


def _charges(viewer_id: str, address: str, amount: int, limits: Limits) -> list[Charge]:
    """List the charges. The row that all users share comes last: its lock is shortest."""
    reason = "Too many phone numbers were asked for."
    return [
        Charge(f"contacts:{viewer_id}", limits.contact_numbers_per_user, reason, amount),
        Charge(
            f"contacts:address:{address_key(address)}",
            limits.contact_numbers_per_address,
            reason,
            amount,
        ),
        Charge("contacts:overall", limits.contact_numbers_overall, reason, amount),
    ]


_CONTACTS = ManyRows(
    "INSERT INTO contacts (user_id, contact_id)",
    "$2::uuid, {contact_id}",
    {"contact_id": "uuid"},
    "ON CONFLICT DO NOTHING",
)


async def _add_contacts(database: Database, viewer_id: str, found: Iterable[str]) -> None:
    """Record that the viewer knows the numbers of these users, except their own."""
    contacts = sorted({user_id for user_id in found if user_id != viewer_id})
    if contacts:
        async with database.connection() as connection:
            await _CONTACTS.write(
                connection,
                [(contact,) for contact in contacts],
                viewer_id,
                is_distributed=database.is_distributed,
            )


async def list_known_numbers(
    database: Database, viewer_id: str, user_ids: Sequence[str]
) -> dict[str, str]:
    """Return numbers by user id: of those of `user_ids` whose number the viewer knows, and the
    viewer's own.
    """
    rows = await database.fetch(
        "SELECT contact_id FROM contacts WHERE user_id = $1 AND contact_id = ANY($2::uuid[])",
        viewer_id,
        user_ids,
    )
    known = [row["contact_id"] for row in rows]
    if viewer_id in user_ids:
        known.append(viewer_id)
    found = await fetch_by_id(
        database,
        "SELECT user_id, number FROM user_phone_numbers WHERE user_id = ANY($1::uuid[])",
        known,
    )
    return {row["user_id"]: row["number"] for row in found}
