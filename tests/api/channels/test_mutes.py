"""Muting a channel for oneself."""

from datetime import UTC, datetime, timedelta
from typing import Any

from models.postgresql.database import Database
from tests.make import REFUSAL, Person

MUTE = f"""mutation ($id: ID!, $until: DateTime) {{ muteChannel(channelId: $id, until: $until) {{
    __typename ... on ChannelPayload {{ channel {{ id mutedUntil }} }} {REFUSAL} }} }}"""
MUTED = "query ($id: ID!) { channel(id: $id) { mutedUntil } }"
FAR_OFF = "9999-12-31T23:59:59.999Z"
UNKNOWN = "chn_" + "0" * 32


async def muted_until(person: Person, channel_id: str) -> Any:
    return (await person.mutate(MUTED, id=channel_id))["mutedUntil"]


async def test_a_channel_is_muted_until_a_time_or_for_good(
    alice: Person, bob: Person, chat: str
) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=8)).isoformat(timespec="milliseconds")

    for until in (soon.replace("+00:00", "Z"), FAR_OFF):
        muted = await alice.mutate(MUTE, id=chat, until=until)
        assert muted["channel"] == {"id": chat, "mutedUntil": until}
        assert await muted_until(alice, chat) == until

    assert await muted_until(bob, chat) is None


async def test_null_unmutes(alice: Person, chat: str) -> None:
    """An argument that is left out does not: tests/api/test_left_out.py."""
    await alice.mutate(MUTE, id=chat, until=FAR_OFF)

    assert (await alice.mutate(MUTE, id=chat, until=None))["channel"]["mutedUntil"] is None
    assert await muted_until(alice, chat) is None


async def test_a_time_that_has_passed_is_refused(alice: Person, chat: str) -> None:
    await alice.mutate(MUTE, id=chat, until=FAR_OFF)

    refused = await alice.mutate(MUTE, id=chat, until="2020-01-01T00:00:00Z")

    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "until")
    assert await muted_until(alice, chat) == FAR_OFF


async def test_only_a_member_can_mute(
    alice: Person, bob: Person, carol: Person, chat: str, database: Database
) -> None:
    """To strangers and former members the channel does not exist."""
    made = await alice.mutate(
        """mutation ($input: CreateGroupInput!) { createGroup(input: $input) {
        ... on GroupPayload { group { id } } } }""",
        input={"name": "A group", "memberIds": [carol.id]},
    )
    group = made["group"]["id"]
    await carol.mutate("mutation ($id: ID!) { leaveGroup(groupId: $id) { __typename } }", id=group)

    answers = [
        (await carol.post(MUTE, id=channel_id, until=FAR_OFF)).content
        for channel_id in (UNKNOWN, chat, group, "nonsense", alice.id)
    ]

    assert b'"NOT_FOUND"' in answers[0]
    assert len(set(answers)) == 1
    assert await database.fetchval("SELECT count(*) FROM members WHERE muted_until > now()") == 0
