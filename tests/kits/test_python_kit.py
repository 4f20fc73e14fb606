"""The Python kit comes to the server's conversation, whatever happens to its connection."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from clients.python.failures import SignedOut
from clients.python.messenger import Messenger
from clients.python.patience import Patience
from clients.python.session import Tokens as SessionTokens
from clients.python.store import FileStore, MemoryStore
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.tokens import Tokens
from tests.conftest import SECRET
from tests.faults.proxy import Link, Proxy, proxy
from tests.groups import ADD, REMOVE, make_group
from tests.kits.python_kit import cut_off, kit, running, shown, stored
from tests.make import AnotherDevice, Person, make_device
from tests.serving import ServedWith, Server
from tests.waiting import eventually

SENT = [f"message {n}" for n in range(1, 31)]
WRITTEN = [f"written while offline {n}" for n in range(1, 6)]
SHORT = {"access_token_ttl_s": 4, "session_expiring_notice_s": 3}
REVOKE = """mutation ($id: ID!) { revokeDevice(deviceId: $id) { __typename } }"""
EDIT = """mutation ($id: ID!, $text: String!) { editMessage(messageId: $id, text: $text) {
    __typename } }"""
DELETE = "mutation ($id: ID!) { deleteMessage(messageId: $id) { __typename } }"


@pytest_asyncio.fixture
async def between(server: Server) -> AsyncIterator[Proxy]:
    """What the kit takes for the server."""
    async with proxy(server.port) as between:
        yield between


async def agrees(messenger: Messenger, person: Person, channel_id: str, count: int) -> None:
    """Wait until the kit shows so many messages of a channel, and those that the server has."""
    await eventually(lambda: len(shown(messenger, channel_id)) >= count)
    expected = await stored(person, channel_id)
    assert len(expected) == count
    await eventually(lambda: shown(messenger, channel_id) == expected)


def texts(messenger: Messenger, channel_id: str) -> list[str | None]:
    return [text for _, text in shown(messenger, channel_id)]


async def test_it_shows_what_was_there_and_what_comes(
    between: Proxy, alice: Person, bob: Person, chat: str
) -> None:
    await alice.say(chat, "before")
    messenger = kit(between, bob)

    async with running(messenger):
        await agrees(messenger, bob, chat, 1)
        await alice.say(chat, "after")
        await agrees(messenger, bob, chat, 2)


async def test_cuts_at_any_byte_leave_no_gap_and_no_repeat(
    between: Proxy, alice: Person, bob: Person, chat: str
) -> None:
    draw = random.Random(1)
    left = [12]

    def cut(link: Link, passing: bytes) -> int | None:
        """Of each connection in turn, after what a few messages take."""
        if not left[0] or draw.random() < 0.7:
            return None
        left[0] -= 1
        return draw.randrange(len(passing))

    messenger = kit(between, bob)
    async with running(messenger):
        between.to_client = cut
        for text in SENT:
            await alice.say(chat, text)
            messenger.send(chat, f"re: {text}")
        await agrees(messenger, bob, chat, 2 * len(SENT))

    sent = texts(messenger, chat)
    assert [text for text in sent if text in SENT] == SENT
    assert [text for text in sent if text not in SENT] == [f"re: {text}" for text in SENT]
    assert messenger.outbox.drafts == []


async def test_what_is_written_while_offline_is_sent_once_and_in_order(
    between: Proxy, alice: Person, bob: Person, chat: str
) -> None:
    messenger = kit(between, bob)
    async with running(messenger):
        cut_off(between)
        for text in WRITTEN:
            messenger.send(chat, text)
        await alice.say(chat, "meanwhile")
        between.open = True
        await agrees(messenger, bob, chat, 1 + len(WRITTEN))

    assert texts(messenger, chat) == ["meanwhile", *WRITTEN]


async def test_a_send_whose_answer_was_lost_is_stored_once(
    between: Proxy, bob: Person, chat: str
) -> None:
    asked = []

    def lose(link: Link, passing: bytes) -> int | None:
        asked.append(b"replayed" in passing or b"sendMessage" in passing)
        return 0 if asked.count(True) == 1 and asked[-1] else None

    messenger = kit(between, bob)
    async with running(messenger):
        between.to_client = lose
        messenger.send(chat, "once")
        await eventually(lambda: asked.count(True) >= 1 and not messenger.outbox.drafts)
        await agrees(messenger, bob, chat, 1)


async def test_what_was_written_and_read_survives_the_end_of_the_app(
    between: Proxy, alice: Person, bob: Person, chat: str, tmp_path: Path
) -> None:
    store = FileStore(tmp_path / "bob")
    async with running(kit(between, bob, store)):
        assert "synced" in store.load()
    cut_off(between)
    kit(between, bob, store).send(chat, WRITTEN[0])
    await alice.say(chat, "meanwhile")

    again = kit(between, bob, store)
    assert shown(again, chat) == []
    assert [draft.input["text"] for draft in again.outbox.drafts] == WRITTEN[:1]
    between.open = True
    async with running(again):
        await agrees(again, bob, chat, 2)


async def test_edits_and_deletions_while_away_are_shown(
    between: Proxy, alice: Person, bob: Person, chat: str
) -> None:
    first, second = await alice.say(chat, "first"), await alice.say(chat, "second")
    messenger = kit(between, bob)
    async with running(messenger):
        await agrees(messenger, bob, chat, 2)
        cut_off(between)
        await alice.mutate(EDIT, id=first["id"], text="first, edited")
        await alice.mutate(DELETE, id=second["id"])
        between.open = True
        await eventually(lambda: shown(messenger, chat) == [(1, "first, edited"), (2, None)])


async def test_who_is_removed_and_added_again_while_away_has_the_group_as_it_is(
    between: Proxy, alice: Person, bob: Person
) -> None:
    group = await make_group(alice, bob)
    messenger = kit(between, bob)
    async with running(messenger):
        cut_off(between)
        await alice.mutate(REMOVE, groupId=group, userId=bob.id)
        await alice.say(group, "not for Bob")
        await alice.mutate(ADD, groupId=group, userIds=[bob.id])
        await alice.say(group, "welcome")
        between.open = True
        await eventually(lambda: "welcome" in texts(messenger, group))

    assert shown(messenger, group) == await stored(bob, group)
    assert "not for Bob" not in texts(messenger, group)


async def test_a_channel_that_is_too_far_behind_is_fetched_again(
    served_with: ServedWith, alice: Person, bob: Person, chat: str
) -> None:
    async with served_with(replay_entries=5) as node, proxy(node.port) as between:
        messenger = kit(between, bob)
        async with running(messenger) as run:
            cut_off(between)
            for text in SENT:
                await alice.say(chat, text)
            between.open = True
            await agrees(messenger, bob, chat, len(SENT))

    assert "ResyncRequired" in run.told


async def test_tokens_are_renewed_before_they_end_and_the_stream_goes_on(
    served_with: ServedWith, database: Database, alice: Person, bob: Person, chat: str
) -> None:
    async with served_with(**SHORT) as node, proxy(node.port) as between:
        short = Tokens(SECRET, Limits(access_token_ttl_s=SHORT["access_token_ttl_s"]))
        phone = await make_device(node, database, short, bob.user, bob.number)
        messenger = kit(between, phone)
        seen = set()

        def renewed(count: int) -> bool:
            seen.add(messenger.session.tokens.access)
            return len(seen) > count

        async with running(messenger) as run:
            await eventually(lambda: renewed(2))
            messenger.send(chat, "still here")
            await alice.say(chat, "I see")
            await agrees(messenger, bob, chat, 2)

    assert "SessionExpiring" in run.told


async def test_a_token_that_has_ended_is_renewed_once_for_all_who_ask(
    between: Proxy, alice: Person, bob: Person, chat: str
) -> None:
    refreshes = []

    def count(link: Link, passing: bytes) -> int | None:
        refreshes.extend([1] * passing.count(b"refreshSession("))
        return None

    between.to_server = count
    # No answer is late, so that none is asked for twice.
    messenger = kit(between, bob, patience=Patience(answer_s=60))
    messenger.session.keep(SessionTokens("of yesterday", bob.refresh_token, bob.id))
    async with running(messenger):
        query = "query { viewer { id } }"
        answers = await asyncio.gather(*(messenger.session.ask(query) for _ in range(5)))
        await alice.say(chat, "hello")
        await agrees(messenger, bob, chat, 1)

    assert answers == [{"id": bob.id}] * 5
    assert len(refreshes) == 1


async def test_it_says_that_the_session_is_over(
    between: Proxy, bob: Person, another_device: AnotherDevice
) -> None:
    laptop = await another_device(bob)
    messenger = kit(between, bob)
    async with running(messenger) as run:
        await laptop.mutate(REVOKE, id=bob.device_id)
        await asyncio.wait([run.task], timeout=60)

        assert isinstance(run.task.exception(), SignedOut)
        assert not messenger.session.signed_in
        with pytest.raises(SignedOut):
            await messenger.session.ask("query { viewer { id } }")


async def test_two_devices_of_one_user_have_the_same_conversation(
    between: Proxy, alice: Person, bob: Person, chat: str, another_device: AnotherDevice
) -> None:
    phone, laptop = kit(between, bob), kit(between, await another_device(bob))
    async with running(phone), running(laptop):
        phone.send(chat, "from the phone")
        cut_off(between)
        laptop.send(chat, "from the laptop")
        await alice.say(chat, "to both")
        between.open = True
        for device in phone, laptop:
            await agrees(device, bob, chat, 3)


async def test_two_tabs_of_one_device_go_on_each_where_it_was(
    between: Proxy, server: Server, alice: Person, bob: Person, chat: str
) -> None:
    device = MemoryStore()
    async with proxy(server.port) as other_between:
        stays = kit(between, bob, stream_id="tab 1", session_store=device)
        away = kit(other_between, bob, stream_id="tab 2", session_store=device)
        async with running(stays), running(away):
            cut_off(other_between)
            for text in SENT:
                await alice.say(chat, text)
            # What this one has acknowledged, the other has not.
            await agrees(stays, bob, chat, len(SENT))
            other_between.open = True
            await agrees(away, bob, chat, len(SENT))
