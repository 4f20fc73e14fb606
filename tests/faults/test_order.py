"""One order a channel, gapless, the same for everyone: live, resumed and paged."""

import asyncio

from examples.client import Api, Device
from tests.faults.people import reading, sign_in, sign_in_pair, stored

CONNECTIONS = 32
EACH = 5


async def test_64_connections_that_send_at_once_to_one_chat_give_one_order(
    apis: list[Api],
) -> None:
    one, other, chat_id = await sign_in_pair(apis)
    total = 2 * CONNECTIONS * EACH

    async def send(device: Device, place: int) -> None:
        at = device.at(apis[place % 2], apis[(place + 1) % 2])
        for number in range(EACH):
            await at.send(chat_id, f"{place}-{number}")

    async with (
        reading(one, {chat_id: 0}) as live,
        reading(one.at(*apis[::-1]), {chat_id: 0}) as live_elsewhere,
        reading(other, {chat_id: 0}) as others_live,
    ):
        senders = [(one if n % 4 < 2 else other, n) for n in range(2 * CONNECTIONS)]
        await asyncio.gather(*(send(device, place) for device, place in senders))
        lives = [live, live_elsewhere, others_live]
        for reader in lives:
            await reader.has(chat_id, total)
    async with reading(other, {chat_id: total // 2}) as resumed:
        await resumed.has(chat_id, total - total // 2)

    paged = await stored(one, chat_id)
    assert [seq for seq, _ in paged] == list(range(1, total + 1))
    assert len({text for _, text in paged}) == total
    assert [reader.entries[chat_id] for reader in lives] == [paged] * 3
    assert resumed.entries[chat_id] == paged[total // 2 :]
    for _, place in senders:
        own = [text for _, text in paged if text.split("-")[0] == str(place)]
        assert own == [f"{place}-{number}" for number in range(EACH)]


async def test_64_chats_that_are_sent_to_at_once_are_each_in_order(apis: list[Api]) -> None:
    hub = await sign_in(apis)
    people = await asyncio.gather(*(sign_in([apis[n % 2], apis[(n + 1) % 2]]) for n in range(64)))
    chats = [(await person.open_chat(hub))[0] for person in people]
    nowhere = dict.fromkeys(chats, 0)

    async def talk(person: Device, chat_id: str) -> None:
        for number in range(EACH):
            await person.send(chat_id, f"to-{number}")
            await hub.send(chat_id, f"from-{number}")

    async with (
        reading(hub, nowhere) as live,
        reading(hub.at(*apis[::-1]), nowhere) as live_elsewhere,
    ):
        await asyncio.gather(*map(talk, people, chats))
        for chat_id in chats:
            await live.has(chat_id, 2 * EACH)
            await live_elsewhere.has(chat_id, 2 * EACH)

    said = [text for n in range(EACH) for text in (f"to-{n}", f"from-{n}")]
    expected = {chat_id: list(enumerate(said, start=1)) for chat_id in chats}
    assert live.entries == live_elsewhere.entries == expected
    assert {chat_id: await stored(hub, chat_id) for chat_id in chats} == expected
