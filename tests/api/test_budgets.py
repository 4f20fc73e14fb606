"""Budgets of what users do, over two nodes and all transports."""

import asyncio
import time
from typing import Any

import pytest

from models.limits.limits import Budget
from tests.api.budgeting import AT_ONCE, BUDGETS, Flood, assert_within, at_once, refilled
from tests.client import Json
from tests.make import REFUSAL, Person
from tests.serving import ServedWith
from tests.waiting import eventually

NOBODY = "usr_" + "0" * 32


NOTHING = f"msg_{'0' * 32}_1"


POSITIONS = [{"channelId": "x", "seq": 1}] * 1000


FLOODS = [
    Flood("message_changes_per_user", f'editMessage(messageId: "{NOTHING}", text: "x")'),
    Flood("message_changes_per_user", 'deleteMessage(messageId: "x")'),
    Flood("reactions_per_user", 'react(messageId: "x", emoji: "👍")'),
    Flood("typing_per_user", 'setTyping(channelId: "x", typing: true)'),
    Flood("chats_opened_per_user", 'openChat(userId: "x")'),
    Flood("groups_created_per_user", 'createGroup(input: {name: "x", memberIds: ["x"]})'),
    Flood("groups_joined_per_user", 'joinGroup(input: {inviteToken: "x"})'),
    Flood("group_changes_per_user", 'leaveGroup(groupId: "x")'),
    Flood("setting_changes_per_user", 'revokeDevice(deviceId: "x")'),
    Flood("upload_steps_per_user", 'completeUpload(mediaId: "x")'),
    Flood(
        "members_added_per_user",
        'addMembers(groupId: "x", userIds: $ids)',
        takes=90,
        declared="$ids: [ID!]!",
        variables={"ids": ["x"] * 90},
    ),
    Flood(
        "acknowledgements_per_user",
        "acknowledge(input: {delivered: $all, read: $all})",
        takes=2000,
        declared="$all: [PositionInput!]!",
        variables={"all": POSITIONS},
    ),
]


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.mutation.partition("(")[0])
async def test_what_a_flood_may_do_is_the_budget_within_the_blocks_of_two_nodes(
    everywhere: list[Person], bob: Person, flood: Flood
) -> None:
    """Each aliased mutation counts as one, whatever comes of it."""
    budget = BUDGETS[flood.budget]
    documents = 2 + 3 * budget.amount // (2 * flood.takes * AT_ONCE)
    began = time.monotonic()

    answers: list[Json] = []
    for n in range(documents):
        answers += await at_once(everywhere[n % 2], flood)

    allowed = flood.takes * sum(answer.get("code") != "RATE_LIMITED" for answer in answers)
    assert_within(allowed, budget, time.monotonic() - began, slack=2 * flood.takes)
    assert_refused(answers[-1], budget)
    # Nobody else feels it.
    other = await at_once(bob.at(everywhere[0].server), flood)
    assert other[0].get("code") != "RATE_LIMITED"


def assert_refused(answer: Json, budget: Budget) -> None:
    assert (answer["__typename"], answer["code"]) == ("Refusal", "RATE_LIMITED")
    assert 0 < answer["retryAfterMs"] <= 2000 * budget.window_s


async def test_sends_of_all_transports_share_a_budget_and_others_go_on_sending(
    everywhere: list[Person], alice: Person, bob: Person, chat: str
) -> None:
    """HTTP at one node, a websocket at the other, and ten aliases in each document."""
    one, other = everywhere
    began, stored = time.monotonic(), 0
    document, budget = sends_of(chat, AT_ONCE), BUDGETS["sends_per_user"]

    async with other.socket() as socket:
        for n in range(45):
            ids = {f"i{k}": f"http-{n}-{k}" for k in range(AT_ONCE)}
            answers = list((await one.query(document, **ids)).values())
            ids = {f"i{k}": f"socket-{n}-{k}" for k in range(AT_ONCE)}
            answers += (await socket.query(document, **ids)).values()
            sent = sum(each["__typename"] == "SendMessagePayload" for each in answers)
            if sent < len(answers):
                await asyncio.gather(refilled(one.server), refilled(other.server))
            stored += sent
            talk = await bob.at(one.server).say(chat, f"still here {n}")
            assert talk["text"] == f"still here {n}"

    assert_within(stored, budget, time.monotonic() - began, slack=2)
    assert_refused(answers[-1], budget)
    found = await alice.query(f'{{ channel(id: "{chat}") {{ lastSeq }} }}')
    assert found["channel"]["lastSeq"] == stored + 45


def sends_of(chat: str, count: int) -> str:
    declared = ", ".join(f"$i{n}: ID!" for n in range(count))
    fields = " ".join(
        f'a{n}: sendMessage(input: {{channelId: "{chat}", clientMessageId: $i{n}, text: "x"}}) '
        f"{{ __typename {REFUSAL} }}"
        for n in range(count)
    )
    return f"mutation ({declared}) {{ {fields} }}"


async def test_what_was_refused_passes_when_it_is_repeated(
    alice: Person, chat: str, served_with: ServedWith
) -> None:
    few = Budget(amount=60, window_s=60)
    async with served_with(sends_per_user=few, refusal_pause_s=0) as node:
        one = alice.at(node)
        document, codes = sends_of(chat, AT_ONCE), set[str | None]()
        while "RATE_LIMITED" not in codes:
            ids = {f"i{k}": f"{len(codes)}-{k}" for k in range(AT_ONCE)}
            codes |= {each.get("code") for each in (await one.query(document, **ids)).values()}
        draft = one.draft(chat, "later")
        refused = await one.send(draft)
        assert (refused["code"], refused["retryAfterMs"] > 0) == ("RATE_LIMITED", True)

        async def sent() -> Any:
            return (await one.send(draft)).get("message")

        assert (await eventually(sent))["text"] == "later"
