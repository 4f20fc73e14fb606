"""Files live: a message comes with them, on every node, and is told again when they are ready."""

import asyncio

from models.log.media_changes import tell_of_media
from models.media.media import MediaState
from models.postgresql.database import Database
from tests.client import added, until
from tests.live.conftest import Follow
from tests.make import Person
from tests.serving import Server
from tests.uploading import make_media, sent_media, set_state, upload
from tests.waiting import Edge, steps

MESSAGE = "message { id kind text media { id state renditions { name url urlExpiresAt } } }"
INBOX = f"""subscription ($after: [PositionInput!]) {{ inbox(after: $after) {{ __typename
    ... on MessageAdded {{ seq {MESSAGE} }}
    ... on MessageUpdated {{ seq change {MESSAGE} }} }} }}"""

LAST_SEQ = "query ($id: ID!) { channel(id: $id) { lastSeq } }"


async def test_a_message_comes_with_its_files(
    database: Database,
    alice: Person,
    bob: Person,
    chat: str,
    other_server: Server,
    follow: Follow,
) -> None:
    media_id = await make_media(database, alice)
    async with follow(bob.at(other_server), INBOX) as there, follow(alice, INBOX) as own:
        await until(there, "InboxReady")
        await until(own, "InboxReady")

        sent = await sent_media(alice, chat, media_id)

        arrived, back = await added(there), await added(own)
    assert [each["id"] for each in arrived["message"]["media"]] == [media_id]
    renditions = arrived["message"]["media"][0]["renditions"]
    assert renditions[0]["url"] == sent["media"][0]["renditions"][0]["url"]
    assert back == arrived


async def test_a_file_that_gets_ready_is_told_live_and_to_who_was_away(
    database: Database, alice: Person, bob: Person, chat: str, follow: Follow
) -> None:
    media_id = await upload(alice)
    async with follow(bob, INBOX) as stream:
        await until(stream, "InboxReady")
        await sent_media(alice, chat, media_id)
        assert (await added(stream))["message"]["media"][0]["state"] == "PROCESSING"

        await _make_ready(database, alice, media_id)

        live = (await until(stream, "MessageUpdated"))[-1]
    async with follow(bob, INBOX, after=[{"channelId": chat, "seq": 1}]) as stream:
        replayed = (await until(stream, "MessageUpdated"))[-1]
    assert (live["seq"], live["change"]) == (2, "MEDIA")
    assert live["message"]["media"][0]["state"] == "READY"
    assert replayed == live


async def _make_ready(database: Database, owner: Person, media_id: str) -> None:
    """As the worker does."""
    publish = owner.server.app._process.resources.publish
    await set_state(database, media_id, MediaState.READY)
    await tell_of_media(database, publish, media_id.removeprefix("med_"))


async def test_a_send_that_races_with_the_worker_tells_that_it_is_ready(
    database: Database, alice: Person, chat: str
) -> None:
    """In its answer, or by an entry."""
    edge, outcomes = Edge(), set()
    for _ in range(30):
        media_id = await make_media(database, alice, state=MediaState.PROCESSING)

        async def make_ready(media_id: str = media_id) -> None:
            await steps(edge.steps)
            await _make_ready(database, alice, media_id)

        sent, _ = await asyncio.gather(sent_media(alice, chat, media_id), make_ready())

        last_seq = (await alice.mutate(LAST_SEQ, id=chat))["lastSeq"]
        is_ready, is_told = sent["media"][0]["state"] == "READY", last_seq > sent["seq"]
        edge.note(too_early=is_ready and not is_told)
        outcomes.add((is_ready, is_told))

    assert (False, False) not in outcomes
    assert {told for _, told in outcomes} == {True, False}
