"""Devices: how they come, are listed, and end."""

from dataclasses import replace

import pytest

from models import ids
from models.devices.devices import (
    Platform,
    find_access_expiry,
    find_device,
    list_devices,
    revoke_device,
    touch_device,
)
from models.devices.revocations import list_revoked
from models.devices.sessions import Session
from models.devices.viewer import Viewer
from models.limits.limits import Limits
from models.postgresql.database import Database
from models.refusals import RefusalCode, Refused
from models.tokens import Tokens
from tests.database.users.signing_in import ALICE, BOB, NOW, after, ask, enter, signed_in


def viewer_of(session: Session) -> Viewer:
    return Viewer(session.user, session.device.id, session.access_token_expires_at)


async def put_channel(
    database: Database, user_id: str, last_seq: int, *, left_seq: int | None = None
) -> str:
    """Return a channel with a log of this length, in the user's list."""
    channel_id = ids.new_id()
    await database.execute(
        "INSERT INTO channels (id, kind, created_at, last_seq) VALUES ($1, 2, $2, $3)",
        channel_id,
        NOW,
        last_seq,
    )
    await database.execute(
        "INSERT INTO user_channels VALUES ($1, $2, $3)", user_id, channel_id, left_seq
    )
    return channel_id


async def positions(database: Database, device_id: str) -> dict[str, int]:
    rows = await database.fetch(
        "SELECT channel_id, delivered_seq FROM device_positions WHERE device_id = $1", device_id
    )
    return {row["channel_id"]: row["delivered_seq"] for row in rows}


async def test_comes_with_a_sign_in(database: Database, tokens: Tokens, limits: Limits) -> None:
    session = await signed_in(database, tokens, device_name="  Alice's phone ")

    (device,) = await list_devices(database, viewer_of(session), limits=limits, now=NOW)

    assert device == session.device
    assert (device.name, device.platform) == ("Alice's phone", Platform.IOS)
    assert device.created_at == device.last_active_at == NOW
    assert device.is_current
    assert (
        await find_access_expiry(database, session.user.id, device.id)
        == session.access_token_expires_at
    )


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00b", "\ud800"])
async def test_needs_a_name(database: Database, tokens: Tokens, name: str) -> None:
    requested = await ask(database, tokens)

    with pytest.raises(Refused) as caught:
        await enter(database, tokens, requested, device_name=name)

    assert (caught.value.code, caught.value.field) == (RefusalCode.INVALID_INPUT, "device.name")
    assert await database.fetchval("SELECT tries_left FROM sign_in_codes") == 5


async def test_begins_at_the_end_of_every_channel_and_knows_of_those_left(
    database: Database, tokens: Tokens
) -> None:
    first = await signed_in(database, tokens)
    long = await put_channel(database, first.user.id, 700)
    empty = await put_channel(database, first.user.id, 0)
    left = await put_channel(database, first.user.id, 12, left_seq=9)
    await put_channel(database, ids.new_id(), 5)

    second = await signed_in(database, tokens, now=after(60))

    assert await positions(database, second.device.id) == {long: 700, empty: 0, left: 9}
    assert await positions(database, first.device.id) == {}


async def test_are_listed_with_the_one_that_asks_first_then_the_last_active(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    sessions = [
        await signed_in(database, tokens, now=after(i * 60), device_name=f"{i}") for i in range(4)
    ]
    await signed_in(database, tokens, BOB)
    user_id = sessions[0].user.id
    await revoke_device(database, user_id, sessions[3].device.id)
    await touch_device(database, user_id, sessions[0].device.id, now=after(1000))
    await touch_device(database, user_id, sessions[0].device.id, now=after(10))

    listed = await list_devices(database, viewer_of(sessions[1]), limits=limits, now=after(1000))

    assert [(d.name, d.is_current, d.last_active_at) for d in listed] == [
        ("1", True, after(60)),
        ("0", False, after(1000)),
        ("2", False, after(120)),
    ]


async def test_is_not_listed_once_its_refresh_token_ended(
    database: Database, tokens: Tokens, limits: Limits
) -> None:
    session = await signed_in(database, tokens)
    short = replace(limits, refresh_token_ttl_s=100)
    assert len(await list_devices(database, viewer_of(session), limits=short, now=after(99))) == 1
    assert await list_devices(database, viewer_of(session), limits=short, now=after(100)) == []


async def test_that_ends_is_known_to_all_and_leaves_no_position(
    database: Database, tokens: Tokens
) -> None:
    session = await signed_in(database, tokens)
    await put_channel(database, session.user.id, 7)
    session = await signed_in(database, tokens, now=after(60))
    user_id, device_id = session.user.id, session.device.id
    assert await list_revoked(database, 60) == []

    await revoke_device(database, user_id, device_id)
    await revoke_device(database, user_id, device_id)

    assert await list_revoked(database, 60) == [(user_id, device_id)]
    assert await find_access_expiry(database, user_id, device_id) is None
    assert await find_device(database, viewer_of(session), device_id) is None
    assert await positions(database, device_id) == {}


async def test_that_ended_before_is_not_listed_as_newly_ended(
    database: Database, tokens: Tokens
) -> None:
    session = await signed_in(database, tokens)
    await revoke_device(database, session.user.id, session.device.id)
    await database.execute("UPDATE devices SET revoked_at = now() - interval '1 hour'")
    await database.execute("UPDATE revocations SET at = now() - interval '1 hour'")

    assert await list_revoked(database, 60) == []


async def test_that_ends_is_found_without_a_look_at_all_devices(
    database: Database, tokens: Tokens
) -> None:
    session = await signed_in(database, tokens)
    await revoke_device(database, session.user.id, session.device.id)
    await database.execute("UPDATE devices SET revoked_at = now() - interval '1 hour'")

    assert await list_revoked(database, 60) == [(session.user.id, session.device.id)]


async def test_of_another_cannot_be_told_from_none(database: Database, tokens: Tokens) -> None:
    alice, bob = await signed_in(database, tokens, ALICE), await signed_in(database, tokens, BOB)

    for device_id in (bob.device.id, ids.new_id()):
        with pytest.raises(Refused) as caught:
            await revoke_device(database, alice.user.id, device_id)
        assert (caught.value.code, caught.value.field) == (RefusalCode.NOT_FOUND, "deviceId")
        assert await find_device(database, viewer_of(alice), device_id) is None

    assert await find_access_expiry(database, bob.user.id, bob.device.id) is not None
