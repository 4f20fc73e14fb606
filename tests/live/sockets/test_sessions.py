"""The end of a session ends its streams: sign-out, revocation, expiry."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from models.close_codes import CloseCode
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.tokens import Tokens
from subscriptions.session_watch import POLL_S
from tests.client import ApiClient, Ended, Stream, added, ending, open_socket, until
from tests.conftest import SECRET
from tests.make import AnotherDevice, Person, make_device, make_person
from tests.serving import ServedWith, Server

INBOX = """subscription { inbox { __typename ... on MessageAdded { message { text } }
    ... on SessionExpiring { at expiresAt } } }"""
ADDED = "subscription ($id: ID!) { messageAdded(channelId: $id, afterSeq: 0) { text } }"
SIGN_OUT = "mutation { signOut { __typename } }"
REVOKE = "mutation ($id: ID!) { revokeDevice(deviceId: $id) { __typename } }"
REFRESH = """mutation ($token: String!) { refreshSession(refreshToken: $token) { __typename
    ... on Session { accessToken refreshToken } } }"""
# What is promised of a session that ends, and what a busy machine may take.
PROMISED_S, WITHIN_S = 2.0, 60.0


@dataclass
class Open:
    """Everything that a device may hold open at one node."""

    inbox: Stream
    messages: Stream
    inbox_events: Stream
    message_events: Stream

    async def require_over(self, within_s: float) -> None:
        """Sockets close with 4401; other streams say why, and complete."""
        for stream in (self.inbox, self.messages):
            end = await ending(stream, within_s)
            assert end.close_code == CloseCode.UNAUTHORIZED
        for stream in (self.inbox_events, self.message_events):
            end = await ending(stream, within_s)
            assert (end.codes, end.complete) == (["SESSION_REVOKED"], True)


@asynccontextmanager
async def opened(device: Person, chat: str) -> AsyncIterator[Open]:
    async with (
        device.follow(INBOX) as inbox,
        device.follow(ADDED, id=chat) as messages,
        device.listen(INBOX) as inbox_events,
        device.listen(ADDED, id=chat) as message_events,
    ):
        for stream in (inbox, inbox_events):
            await until(stream, "InboxReady")
        # What is there already shows that they follow.
        for stream in (messages, message_events):
            await stream.event()
        yield Open(inbox, messages, inbox_events, message_events)


@pytest.mark.parametrize("by", ["signOut", "revokeDevice"])
async def test_a_session_that_was_ended_ends_its_streams_on_all_nodes_within_2_s(
    alice: Person,
    bob: Person,
    chat: str,
    other_server: Server,
    another_device: AnotherDevice,
    by: str,
) -> None:
    """And no others: the other device, and the other person, go on."""
    await bob.say(chat, "Hello")
    tablet = (await another_device(alice)).at(other_server)
    async with (
        opened(alice, chat) as here,
        opened(alice.at(other_server), chat) as there,
        tablet.follow(INBOX) as on_tablet,
    ):
        await until(on_tablet, "InboxReady")

        if by == "signOut":
            await alice.mutate(SIGN_OUT)
        else:
            await tablet.mutate(REVOKE, id=alice.device_id)

        await asyncio.gather(here.require_over(WITHIN_S), there.require_over(WITHIN_S))
        # Whoever was not told looks so often.
        assert POLL_S <= PROMISED_S / 2
        await bob.say(chat, "after that")
        last = (await until(on_tablet, "MessageAdded"))[-1]
        assert last["message"] == {"text": "after that"}


async def test_a_revoked_token_opens_no_socket(alice: Person, other_server: Server) -> None:
    await alice.mutate(SIGN_OUT)

    assert (await alice.post("{ viewer { id } }")).status_code == 401
    for node in (alice.server, other_server):
        async with open_socket(node) as socket:
            with pytest.raises(Ended) as ended:
                await socket.init(alice.token)
        assert ended.value.ending.close_code == CloseCode.UNAUTHORIZED


# All that is opened is open before the token ends, on a busy machine too.
SHORT = {"access_token_ttl_s": 7, "session_expiring_notice_s": 5}


async def short_lived(server: Server, database: Database, tokens: Tokens) -> tuple[Person, str]:
    """Return a device whose token ends soon. Its user has a chat and a message by then."""
    dora = await make_person(server, database, tokens, "Dora")
    notes = await dora.open_chat(dora)
    await dora.say(notes, "Hello", clientMessageId="of another device")
    short = Tokens(SECRET, Limits(access_token_ttl_s=SHORT["access_token_ttl_s"]))
    device = await make_device(server, database, short, dora.user, dora.number)
    return device, notes


def moment(event: Any) -> float:
    return datetime.fromisoformat(event["expiresAt"]).astimezone(UTC).timestamp()


async def test_a_token_that_ends_closes_its_streams_after_a_notice(
    database: Database, tokens: Tokens, served_with: ServedWith
) -> None:
    async with served_with(**SHORT) as server:
        dora, notes = await short_lived(server, database, tokens)
        async with opened(dora, notes) as streams:
            notices = [
                (await until(stream, "SessionExpiring"))[-1]
                for stream in (streams.inbox, streams.inbox_events)
            ]

            expires_at = moment(notices[0])
            assert moment(notices[1]) == expires_at
            assert 0 < expires_at - time.time() <= SHORT["session_expiring_notice_s"]
            await streams.require_over(WITHIN_S)
            assert expires_at <= time.time()


async def test_a_refresh_anywhere_renews_every_open_stream_of_the_device(
    database: Database, tokens: Tokens, served_with: ServedWith
) -> None:
    """On any connection, at another node too; after that, it ends at its new time."""
    async with served_with(**SHORT) as server, served_with(**SHORT) as elsewhere:
        dora, notes = await short_lived(server, database, tokens)
        async with opened(dora, notes) as streams:
            first = (await until(streams.inbox, "SessionExpiring"))[-1]
            session = await ApiClient(elsewhere).mutate(REFRESH, token=dora.refresh_token)
            assert session["__typename"] == "Session"

            second = (await until(streams.inbox, "SessionExpiring"))[-1]

            assert moment(second) > moment(first)
            renewed = dora.at(server, session["accessToken"])
            await renewed.say(notes, "still here")
            assert (await added(streams.inbox))["message"] == {"text": "still here"}
            for stream in (streams.messages, streams.message_events):
                assert await stream.event() == {"text": "still here"}
            await streams.require_over(WITHIN_S)
            assert time.time() >= moment(second)


async def test_a_token_that_was_stolen_ends_the_streams_of_its_device(
    alice: Person, bob: Person, chat: str, other_server: Server, database: Database
) -> None:
    """A refresh token that is shown again too late."""
    await bob.say(chat, "Hello")
    session = await alice.mutate(REFRESH, token=alice.refresh_token)
    renewed = alice.at(other_server, session["accessToken"])
    async with opened(renewed, chat) as streams:
        await database.execute(
            "UPDATE devices SET generation_accepted_at = now() - interval '11 s' WHERE id = $1",
            alice.inner_device_id,
        )

        refused = await ApiClient(alice.server).mutate(REFRESH, token=alice.refresh_token)

        assert refused["__typename"] == "Refusal"
        await streams.require_over(WITHIN_S)


async def test_an_old_pair_lives_on_beside_the_new_one(
    alice: Person, bob: Person, chat: str
) -> None:
    """A refresh ends no stream that was opened with the pair before."""
    async with alice.follow(INBOX) as stream:
        await until(stream, "InboxReady")

        session = await alice.mutate(REFRESH, token=alice.refresh_token)
        assert (
            await ApiClient(alice.server, session["accessToken"]).errors("{ viewer { id } }") == []
        )
        await bob.say(chat, "Hello")

        assert (await added(stream))["message"] == {"text": "Hello"}
