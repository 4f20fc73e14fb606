"""gql: a query checked with the fetched schema, a refusal, an error, a subscription."""

import asyncio
import os
from typing import Any

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport
from gql.transport.websockets import WebsocketsTransport

from tests.suites.tools.checks import run

URL = os.environ["PARLEY_URL"]
AUTHORIZATION = f"Bearer {os.environ['PARLEY_TOKEN']}"


def client() -> Client:
    transport = HTTPXTransport(URL, headers={"authorization": AUTHORIZATION})
    return Client(transport=transport, fetch_schema_from_transport=True)


def a_query_that_its_own_schema_has_checked() -> None:
    with client() as session:
        assert session.client.schema is not None
        viewer: Any = session.execute(gql("{ viewer { id name } }"))["viewer"]
        assert viewer["name"] == "Suite"


def a_refusal_is_data() -> None:
    document = 'mutation { leaveGroup(groupId: "chn_0") { ... on Refusal { code } } }'
    with client() as session:
        assert session.execute(gql(document)) == {"leaveGroup": {"code": "NOT_FOUND"}}


def an_error_has_a_code() -> None:
    transport = HTTPXTransport(URL)
    codes = []
    try:
        Client(transport=transport).execute(gql("{ viewer { id } }"))
    except TransportQueryError as failed:
        codes = [error["extensions"]["code"] for error in failed.errors or ()]
    assert codes == ["UNAUTHENTICATED"]


def a_subscription_over_a_websocket() -> None:
    async def first() -> str:
        transport = WebsocketsTransport(
            URL.replace("http", "ws", 1), init_payload={"authorization": AUTHORIZATION}
        )
        async with Client(transport=transport) as session:
            async for data in session.subscribe(gql("subscription { inbox { __typename } }")):
                return str(data["inbox"]["__typename"])
        return ""

    assert asyncio.run(first()) == "InboxReady"


run(
    [
        a_query_that_its_own_schema_has_checked,
        a_refusal_is_data,
        an_error_has_a_code,
        a_subscription_over_a_websocket,
    ]
)
