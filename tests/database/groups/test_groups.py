"""Groups under races: the cap, and that nobody says or hears anything after the entry that takes
them out. Two processes' databases and committers write at once.
"""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from models.channels.channels import find_channel
from models.channels.members import MemberRole, list_members
from models.channels.typing import list_typing_audience
from models.log.drafts import Sent
from models.log.positions import Move
from models.log.receipt_signals import ShownMove, list_receipt_signals
from models.messages.reading import find_message, page_messages
from models.messages.search import search_messages
from models.postgresql.database import Database
from models.refusals import RefusalCode
from models.users.users import User
from tests.database.groups.group_history import check_recipients, read_history
from tests.database.groups.group_races import (
    LIMITS,
    PAIRS,
    Process,
    Processes,
    count_members,
    make_users,
    race,
)


async def test_200_pairs_for_the_last_seat_and_one_of_each_gets_it(
    database: Database, processes: Processes
) -> None:
    owner, one, other, *rest = await make_users(database, 101)
    group_id = await processes.make_group(owner, *rest)
    token = await processes.make_invite(owner, group_id)
    assert await count_members(database, group_id) == 99

    for n in range(PAIRS):
        answers = await race(processes.join(n, one, token), processes.join(n + 1, other, token))

        assert sorted(answers, key=str) == [None, RefusalCode.GROUP_FULL]
        assert await count_members(database, group_id) == 100
        await processes.leave(n, one if answers[0] is None else other, group_id)

    history = await read_history(database, group_id)
    assert history.last_seq == 1 + 2 * PAIRS
    check_recipients(history, processes.batches)


async def test_a_hundred_join_at_once_at_99_and_one_is_in(
    database: Database, processes: Processes
) -> None:
    owner, *people = await make_users(database, 199)
    group_id = await processes.make_group(owner, *people[:98])
    token = await processes.make_invite(owner, group_id)

    answers = await race(*(processes.join(n, who, token) for n, who in enumerate(people[98:])))

    assert answers.count(None) == 1
    assert answers.count(RefusalCode.GROUP_FULL) == 99
    await read_history(database, group_id)


async def test_additions_and_joins_at_once_never_pass_the_cap(
    database: Database, processes: Processes
) -> None:
    """Ten who each add seven, and thirty who join: each addition is whole or not at all."""
    owner, *people = await make_users(database, 121)
    group_id = await processes.make_group(owner, *people[:20])
    token = await processes.make_invite(owner, group_id)

    answers = await race(
        *(processes.add(n, owner, group_id, *people[20 + 7 * n : 27 + 7 * n]) for n in range(10)),
        *(processes.join(n, who, token) for n, who in enumerate(people[90:])),
    )

    history = await read_history(database, group_id)
    members = history.members[history.last_seq].keys()
    assert len(members) <= 100
    assert set(answers) <= {None, RefusalCode.GROUP_FULL}
    for n, answer in enumerate(answers[:10]):
        added = {user.id for user in people[20 + 7 * n : 27 + 7 * n]}
        assert added & members == (added if answer is None else set())
    assert len(members) == 21 + 7 * answers[:10].count(None) + answers[10:].count(None)


async def test_200_pairs_of_a_removal_and_a_send(database: Database, processes: Processes) -> None:
    owner, member = await make_users(database, 2)
    group_id = await processes.make_group(owner, member)
    outcomes = []

    for n in range(PAIRS):
        calls: list[Coroutine[Any, Any, Any]] = [
            processes.send(n + 1, member, group_id),
            processes.remove(n, owner, group_id, member),
        ]
        answers = await race(*(calls if n % 3 else reversed(calls)))
        if n % 3 == 0:
            answers.reverse()

        assert answers[1] is None
        left_seq = await database.fetchval(
            "SELECT left_seq FROM members WHERE user_id = $1", member.id
        )
        if isinstance(answers[0], Sent):
            assert answers[0].seq == left_seq - 1
        else:
            assert answers[0] is RefusalCode.NOT_FOUND
        outcomes.append(isinstance(answers[0], Sent))
        await processes.add(n, owner, group_id, member)

    history = await read_history(database, group_id)
    assert history.last_seq == 1 + 2 * PAIRS + sum(outcomes)
    check_recipients(history, processes.batches)


async def require_nothing_for(
    at: Process, group_id: str, user: User, other: User, before_seq: int
) -> None:
    """One who is out reads and finds nothing, says and acknowledges nothing, and is told nothing of
    what a member types and has read.
    """
    search = partial(search_messages, at.database, user.id, "Hello", limits=LIMITS, after=None)
    page = partial(page_messages, at.database, user.id, group_id, first=9, last=None)
    moved = ShownMove(group_id, other.id, before_seq, before_seq + 99, before_seq, before_seq + 99)
    (*found, audience, signals) = await race(
        search(channel_id=group_id, first=9),
        list_typing_audience(at.database, user.id, group_id),
        search(channel_id=None, first=9),
        page(after_seq=0, before_seq=None),
        find_message(at.database, user.id, group_id, 1),
        find_channel(at.database, user.id, group_id),
        list_members(at.database, user.id, [(group_id, user.id)]),
        at.committer.advance([Move(group_id, user.id, before_seq, before_seq)]),
        list_typing_audience(at.database, other.id, group_id),
        list_receipt_signals(at.database, [moved], at=datetime.now(UTC)),
    )

    nothing: tuple[list[Any], bool] = ([], False)
    assert found == [
        RefusalCode.NOT_FOUND,
        RefusalCode.NOT_FOUND,
        nothing,
        nothing,
        None,
        None,
        {},
        [],
    ]
    assert user.id not in audience
    assert not any(user.id in signalled.user_ids for signalled in signals)


async def test_500_removals_among_sends_by_many(database: Database, processes: Processes) -> None:
    """Whoever is answered is in the log before their removal, and nothing goes to one who is
    out.
    """
    owner, *members = await make_users(database, 6)
    group_id = await processes.make_group(owner, *members)
    answered: list[tuple[int, str]] = []
    refused = 0
    over, may_talk = asyncio.Event(), asyncio.Event()
    may_talk.set()

    async def talk(place: int, member: User) -> None:
        nonlocal refused
        while not over.is_set():
            await may_talk.wait()
            (answer,) = await race(processes.send(place, member, group_id))
            if isinstance(answer, Sent):
                answered.append((answer.seq, member.id))
            else:
                assert answer is RefusalCode.NOT_FOUND
                refused += 1

    talking = [asyncio.create_task(talk(n, member)) for n, member in enumerate(members)]
    for n in range(500):
        member = members[n % 5]
        await processes.remove(n, owner, group_id, member)
        may_talk.clear()
        await require_nothing_for(processes[n + 1], group_id, member, owner, 2 * n)
        may_talk.set()
        await processes.add(n + 1, owner, group_id, member)
    over.set()
    await asyncio.gather(*talking)

    history = await read_history(database, group_id)
    said = {entry.seq: entry.message.sender_id for entry in history.entries}
    assert all(said[seq] == sender_id for seq, sender_id in answered)
    assert len(answered) == history.last_seq - 1001
    assert answered
    assert refused
    check_recipients(history, processes.batches)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_at_once_the_log_and_the_tables_agree(
    database: Database, processes: Processes, seed: int
) -> None:
    """Eight people, each doing forty things at random; `read_history` checks every step."""
    people = await make_users(database, 8)
    group_id = await processes.make_group(people[0], *people[1:4])
    await processes.set_role(0, people[0], group_id, people[1], MemberRole.OWNER)
    token = await processes.make_invite(people[0], group_id)
    allowed = {
        None,
        RefusalCode.NOT_FOUND,
        RefusalCode.FORBIDDEN,
        RefusalCode.LAST_OWNER,
        RefusalCode.INVALID_INPUT,
        RefusalCode.INVITE_EXPIRED,
    }

    async def live(place: int, me: User) -> None:
        chance = random.Random(f"{seed} {place}")
        for n in range(40):
            you, role = chance.choice(people), chance.choice(list(MemberRole))
            doing: Sequence[Coroutine[Any, Any, Any]] = [
                processes.send(place, me, group_id),
                processes.send(place, me, group_id),
                processes.join(place, me, token),
                processes.leave(place, me, group_id),
                processes.remove(place, me, group_id, you),
                processes.add(place, me, group_id, you, chance.choice(people)),
                processes.set_role(place, me, group_id, you, role),
                processes.rename(place, me, group_id, f"{place} {n}"),
            ]
            chosen = chance.choice(doing)
            for each in doing:
                if each is not chosen:
                    each.close()
            (answer,) = await race(chosen)
            assert isinstance(answer, Sent) or answer in allowed

    await asyncio.gather(*(live(n, person) for n, person in enumerate(people)))

    history = await read_history(database, group_id)
    check_recipients(history, processes.batches)


async def test_a_stranger_waits_for_no_lock_and_takes_none(
    database: Database, processes: Processes
) -> None:
    """They can neither hold a group up, nor tell by the time it takes that there is one."""
    owner, member, stranger = await make_users(database, 3)
    group_id = await processes.make_group(owner, member)

    async with database.transaction() as connection, asyncio.timeout(60):
        await connection.execute("SELECT FROM channels WHERE id = $1 FOR UPDATE", group_id)
        answers = await race(
            processes.leave(1, stranger, group_id),
            processes.remove(1, stranger, group_id, member),
            processes.add(1, stranger, group_id, stranger),
            processes.set_role(1, stranger, group_id, stranger, MemberRole.OWNER),
            processes.rename(1, stranger, group_id, "Mine"),
            processes.rename(1, member, group_id, "Mine"),
        )

    assert answers == [RefusalCode.NOT_FOUND] * 5 + [RefusalCode.FORBIDDEN]
