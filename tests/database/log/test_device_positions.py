"""Where devices' inboxes resume: written together, forward only, and a row that somebody holds
keeps nobody else waiting.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from models import ids
from models.log.committer import Committer
from models.log.device_positions import DevicePosition, DevicePositionWriter
from models.log.group_commit.batch_writer import Busy
from models.postgresql.database import Connection, Database
from tests.waiting import eventually

CHANNELS = [ids.new_id() for _ in range(3)]


@pytest.fixture
def devices() -> list[tuple[str, str]]:
    return [(ids.new_id(), ids.new_id()) for _ in range(20)]


@pytest_asyncio.fixture
async def committer(database: Database) -> AsyncIterator[Committer]:
    # Longer than a machine is busy.
    committer = Committer(database.url, lambda batch: None, deadline_s=60)
    committer.start()
    yield committer
    await committer.close()


async def stored(database: Database, device: tuple[str, str]) -> dict[str, int]:
    rows = await database.fetch(
        "SELECT channel_id, delivered_seq FROM device_positions "
        "WHERE user_id = $1 AND device_id = $2",
        *device,
    )
    return {row["channel_id"]: row["delivered_seq"] for row in rows}


async def test_go_forward_only_whoever_writes_them(
    database: Database, committer: Committer, devices: list[tuple[str, str]]
) -> None:
    await asyncio.gather(
        *(
            committer.store([DevicePosition(*device, channel, seq) for channel in CHANNELS])
            for seq in (5, 9, 2, 7)
            for device in devices
        )
    )
    await committer.store([DevicePosition(*devices[0], CHANNELS[0], 3)])

    for device in devices:
        assert await stored(database, device) == dict.fromkeys(CHANNELS, 9)


async def test_of_many_devices_are_one_statement(
    database: Database, devices: list[tuple[str, str]]
) -> None:
    ran: list[str] = []
    positions = [DevicePosition(*device, CHANNELS[0], 4) for device in devices]

    async with database.connection() as connection:
        with connection.query_logger(lambda statement: ran.append(statement.query)):
            await DevicePositionWriter().write(connection, positions, wait=False)
            await connection.execute("SELECT 'the end'")
            await eventually(lambda: "SELECT 'the end'" in ran)

    assert len([query for query in ran if "INSERT INTO device_positions" in query]) == 1
    assert await stored(database, devices[-1]) == {CHANNELS[0]: 4}


async def hold(connection: Connection, device: tuple[str, str]) -> None:
    # However busy the machine is.
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    await connection.execute(
        "SELECT FROM device_positions WHERE user_id = $1 AND device_id = $2 FOR UPDATE", *device
    )


async def test_that_somebody_holds_are_put_aside_alone(
    database: Database, other_database: Database, devices: list[tuple[str, str]]
) -> None:
    writer = DevicePositionWriter()
    held, free = (DevicePosition(*device, CHANNELS[0], 1) for device in devices[:2])
    async with database.connection() as connection:
        await connection.execute("SET lock_timeout = 50")
        await writer.write(connection, [held, free], wait=False)
        held.seq = free.seq = 2
        async with other_database.transaction() as holding:
            await hold(holding, devices[0])

            results = await writer.write(connection, [held, free], wait=False)

        assert results == [Busy.BUSY, 2]
        await connection.execute("RESET lock_timeout")
    assert await stored(database, devices[0]) == {CHANNELS[0]: 1}
    assert await stored(database, devices[1]) == {CHANNELS[0]: 2}


async def test_that_somebody_holds_are_written_when_they_are_free_and_others_meanwhile(
    database: Database,
    other_database: Database,
    committer: Committer,
    devices: list[tuple[str, str]],
) -> None:
    await committer.store(DevicePosition(*device, CHANNELS[0], 1) for device in devices)
    async with other_database.transaction() as holding:
        await hold(holding, devices[0])
        waiting = asyncio.create_task(
            committer.store([DevicePosition(*devices[0], CHANNELS[0], 2)])
        )

        await committer.store(DevicePosition(*each, CHANNELS[0], 2) for each in devices[1:])
        assert not waiting.done()

    await waiting
    for device in devices:
        assert await stored(database, device) == {CHANNELS[0]: 2}
