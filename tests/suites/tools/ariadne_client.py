"""ariadne-codegen: a typed client made of the kit's documents, used over HTTP and a websocket."""

import asyncio
import importlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.suites.tools.checks import command, run

URL = os.environ["PARLEY_URL"]
AUTHORIZATION = f"Bearer {os.environ['PARLEY_TOKEN']}"
CONFIGURATION = """[tool.ariadne-codegen]
schema_path = "schema.graphql"
queries_path = "documents"
target_package_name = "parley_client"
enable_custom_operations = false
"""


@cache
def client() -> Any:
    sys.path.insert(0, ".")
    module = importlib.import_module("parley_client")
    headers = {"Authorization": AUTHORIZATION}
    return module.Client(
        url=URL,
        headers=headers,
        ws_url=URL.replace("http", "ws", 1),
        ws_connection_init_payload={"authorization": AUTHORIZATION},
    )


def a_client_is_made_of_the_documents() -> None:
    Path("ariadne.toml").write_text(CONFIGURATION)
    command("ariadne-codegen", "--config", "ariadne.toml")


def a_query_is_typed() -> None:
    assert asyncio.run(client().list_channels()).channels.nodes == []


def a_refusal_is_a_member_of_the_union() -> None:
    inputs = importlib.import_module("parley_client.input_types")
    message = inputs.SendMessageInput(channelId="chn_0", clientMessageId="1", text="Hello")
    answered = asyncio.run(_fresh().send_message(message)).send_message
    assert (answered.typename__, answered.code.value) == ("Refusal", "NOT_FOUND")


def a_subscription_over_a_websocket() -> None:
    async def first() -> str:
        async for data in _fresh().inbox():
            return str(data.inbox.typename__)
        return ""

    assert asyncio.run(first()) == "InboxReady"


def _fresh() -> Any:
    """Return a client for another event loop: it keeps its connections."""
    client.cache_clear()
    return client()


run(
    [
        a_client_is_made_of_the_documents,
        a_query_is_typed,
        a_refusal_is_a_member_of_the_union,
        a_subscription_over_a_websocket,
    ]
)
