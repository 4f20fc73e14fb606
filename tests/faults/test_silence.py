"""A connection that dies without a sign, as behind a network that drops packets."""

from pathlib import Path

from examples.client import SEND, Api
from examples.server import RunningServer
from tests.faults.another_api import another_api
from tests.faults.people import draft, reading, sign_in_pair, stored
from tests.faults.proxy import Link, Proxy, proxy
from tests.waiting import eventually

SUBSCRIBE = b"SUBSCRIBE"
APPEND = b" FROM append_"


async def test_a_committer_whose_connection_went_silent_answers_and_stores_once(
    server: RunningServer, apis: list[Api], tmp_path: Path
) -> None:
    one, _, chat_id = await sign_in_pair(apis)
    async with (
        proxy(server.address("postgresql").port or 0, (APPEND,)) as between,
        another_api(server, tmp_path / "log", database_port=between.port) as api,
    ):
        await api.ask(SEND, draft(chat_id, "first"), one.token)
        (link,) = [link for link in between.links if APPEND in link.client_said]
        link.silent = True

        answer = await api.ask(SEND, draft(chat_id, "into silence"), one.token)

    assert (answer["replayed"], answer["message"]["seq"]) == (False, 2)
    assert await stored(one, chat_id) == [(1, "first"), (2, "into silence")]


def subscriptions(between: Proxy) -> list[Link]:
    return [link for link in between.links if SUBSCRIBE in link.client_said]


async def test_a_subscription_gone_silent_is_noticed_repaired_and_replaced(
    server: RunningServer, apis: list[Api], tmp_path: Path
) -> None:
    one, other, chat_id = await sign_in_pair(apis)
    async with (
        proxy(server.address("valkey").port or 0, (SUBSCRIBE,)) as between,
        another_api(server, tmp_path / "log", valkey_port=between.port) as api,
        reading(other.at(api), {chat_id: 0}) as reader,
    ):
        (link,) = subscriptions(between)
        link.silent = True

        await one.send(chat_id, "into silence")
        await reader.has(chat_id, 1)
        await eventually(lambda: subscriptions(between) and not subscriptions(between)[0].silent)
        (replaced,) = subscriptions(between)
        before = replaced.to_client_bytes
        await one.send(chat_id, "over the next connection")
        await reader.has(chat_id, 2)

    assert replaced.to_client_bytes > before
