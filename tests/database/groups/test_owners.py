"""Groups under races: an owner remains, a group closes with its last member, and leaving holds up
nobody. Two processes' databases and committers write at once.
"""

import asyncio

import pytest

from models.channels.members import MemberRole
from models.log.positions import Move
from models.postgresql.database import Database
from models.refusals import RefusalCode
from tests.database.groups.group_history import read_history
from tests.database.groups.group_races import (
    PAIRS,
    Processes,
    make_users,
    race,
)


@pytest.mark.parametrize(
    "what",
    [
        "leave, be promoted",
        "leave, leave",
        "leave, promote",
        "demote, demote",
        "step down, step down",
    ],
)
async def test_200_pairs_never_leave_a_group_without_an_owner(
    database: Database, processes: Processes, what: str
) -> None:
    """`read_history` checks it after every entry."""
    one, other, third = await make_users(database, 3)
    owner, admin, member = MemberRole.OWNER, MemberRole.ADMIN, MemberRole.MEMBER

    for n in range(PAIRS):
        group_id = await processes.make_group(one, other, third)
        if what in ("leave, leave", "demote, demote", "step down, step down"):
            await processes.set_role(n, one, group_id, other, owner)
        await {
            "leave, be promoted": lambda g, n: race(
                processes.leave(n, other, g), processes.set_role(n + 1, one, g, other, owner)
            ),
            "leave, leave": lambda g, n: race(
                processes.leave(n, one, g), processes.leave(n + 1, other, g)
            ),
            "leave, promote": lambda g, n: race(
                processes.leave(n, one, g), processes.set_role(n + 1, one, g, other, admin)
            ),
            "demote, demote": lambda g, n: race(
                processes.set_role(n, one, g, other, member),
                processes.set_role(n + 1, other, g, one, member),
            ),
            "step down, step down": lambda g, n: race(
                processes.set_role(n, one, g, one, member),
                processes.set_role(n + 1, other, g, other, member),
            ),
        }[what](group_id, n)

        history = await read_history(database, group_id)
        assert "OWNER" in history.members[history.last_seq].values()


async def test_the_last_two_leave_at_once_and_it_closes(
    database: Database, processes: Processes
) -> None:
    one, other = await make_users(database, 2)

    for n in range(20):
        group_id = await processes.make_group(one, other)
        token = await processes.make_invite(one, group_id)
        answers = await race(
            processes.leave(n, one, group_id), processes.leave(n + 1, other, group_id)
        )

        assert answers == [None, None]
        closed_at = await database.fetchval(
            "SELECT closed_at FROM groups WHERE channel_id = $1", group_id
        )
        assert closed_at is not None
        assert await race(processes.join(n, other, token)) == [RefusalCode.INVITE_EXPIRED]
        await read_history(database, group_id)


async def test_leaves_among_acknowledgements_hold_nobody_up(
    database: Database, processes: Processes
) -> None:
    one, other = await make_users(database, 2)
    group_id = await processes.make_group(one, other)
    token = await processes.make_invite(one, group_id)

    for n in range(50):
        async with asyncio.timeout(60):
            await race(
                processes.leave(n, one, group_id),
                *(
                    processes[n + m].committer.advance(
                        [Move(group_id, who.id, 10_000, 0) for who in (one, other)]
                    )
                    for m in range(2)
                ),
            )
        await processes.join(n, one, token)
        one, other = other, one

    await read_history(database, group_id)
