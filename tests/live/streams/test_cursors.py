"""A cursor goes on exactly where it was given, for its user and device, and for nobody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.limits.limits import Limits
from models.log.committer import Committer
from models.log.streams.cursors import Cursors, StreamPositions
from models.tokens import Tokens
from tests.client import ending
from tests.groups import inner_id
from tests.live.conftest import Follow
from tests.live.inbox.inboxes import position
from tests.live.streams.following import STREAM, missed, missed_seqs, new_cursor, take
from tests.live.streams.test_kept_streams import resync
from tests.make import AnotherDevice, Person, write_history
from tests.serving import Server


async def test_goes_on_where_it_was_given_whatever_the_device_acknowledged_since(
    alice: Person, bob: Person, chat: str, other_server: Server, follow: Follow
) -> None:
    await alice.say(chat, "one")
    cursor = await new_cursor(bob)
    await alice.say(chat, "two")
    await bob.acknowledge(chat, delivered=2)

    for _ in range(2):
        async with follow(bob.at(other_server), STREAM, cursor=cursor) as stream:
            assert await missed_seqs(stream) == [2]


@pytest.mark.parametrize("whose", ["another user", "another device", "nobody"])
async def test_of_somebody_else_it_gives_a_resync_of_every_channel(
    alice: Person,
    bob: Person,
    chat: str,
    committer: Committer,
    another_device: AnotherDevice,
    follow: Follow,
    whose: str,
) -> None:
    """Also under a name that has acknowledged: what such a client has stored is not known."""
    await write_history(committer, alice, chat, 3)
    await take(bob, "tab", await new_cursor(bob, streamId="tab"))
    cursor = "nonsense"
    if whose != "nobody":
        cursor = await new_cursor(alice if whose == "another user" else await another_device(bob))

    for name in ("tab", None):
        async with follow(bob, STREAM, cursor=cursor, streamId=name) as stream:
            assert (await missed(stream))[0] == [resync(chat, 3)]
    refused = await take(bob, "tab", cursor)
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "cursor")


async def test_one_that_is_too_old_gives_a_resync_unless_the_stream_has_acknowledged(
    alice: Person, bob: Person, chat: str, tokens: Tokens, follow: Follow
) -> None:
    await alice.say(chat, "stored")
    old, kept = (made_ago(bob, chat, tokens, days=days) for days in (31, 29))

    async with follow(bob, STREAM, cursor=kept) as stream:
        assert await missed_seqs(stream) == []
    async with follow(bob, STREAM, cursor=old) as stream:
        assert (await missed(stream))[0] == [resync(chat, 1)]

    # A tab that was open for long subscribes again with the cursor that it began with.
    await take(bob, "tab", await new_cursor(bob, streamId="tab"))
    await alice.say(chat, "news")
    async with follow(bob, STREAM, cursor=old, streamId="tab") as stream:
        assert await missed_seqs(stream) == [2]


def made_ago(person: Person, chat: str, tokens: Tokens, *, days: int) -> str:
    positions = StreamPositions.of({inner_id(chat): 1})
    made_at = datetime.now(UTC) - timedelta(days=days)
    return Cursors(tokens).make(person.user.id, person.inner_device_id, positions, now=made_at)


@pytest.mark.parametrize(
    ("passed", "field"),
    [
        ({"after": [], "cursor": "any"}, "cursor"),
        ({"after": position("chn_" + "0" * 32, 1), "cursor": "any", "streamId": "tab"}, "cursor"),
        ({"streamId": ""}, "streamId"),
        ({"streamId": "n" * (Limits().stream_id_length + 1)}, "streamId"),
        ({"heartbeatSeconds": 0}, "heartbeatSeconds"),
        ({"heartbeatSeconds": 3601}, "heartbeatSeconds"),
    ],
)
async def test_what_cannot_be_passed_is_refused(
    bob: Person, follow: Follow, passed: dict[str, Any], field: str
) -> None:
    async with follow(bob, STREAM, **passed) as stream:
        end = await ending(stream)

    assert end.codes == ["INVALID_INPUT"]
    assert end.errors[0]["extensions"]["field"] == field


@pytest.mark.parametrize("given", [{"streamId": "tab"}, {"cursor": "any"}])
async def test_half_an_acknowledgement_is_refused(bob: Person, given: dict[str, str]) -> None:
    refused = await bob.mutate(
        "mutation ($input: AcknowledgeInput!) { acknowledge(input: $input) "
        "{ ... on Refusal { code } } }",
        input=given,
    )

    assert refused == {"code": "INVALID_INPUT"}
