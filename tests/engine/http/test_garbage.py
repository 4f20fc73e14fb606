"""Requests over uvicorn leave nothing to the garbage collector, which would look at it for long."""

import gc
from typing import Any

import pytest

from tests.engine.http.asgi import App
from tests.engine.http.http_app import BOOK, SAVE
from tests.engine.http.over_uvicorn import served

REQUESTS = 50
ROUNDS = 3


@pytest.mark.parametrize("request_", [BOOK, SAVE], ids=["query", "mutation"])
async def test_what_a_request_made_is_free_when_it_is_answered(app: App, request_: Any) -> None:
    async with served(app.http) as server:
        connection = await server.connect()
        gc.disable()
        try:
            left = []
            for _ in range(ROUNDS):
                gc.collect()
                for _ in range(REQUESTS):
                    await connection.ask(request_)
                left.append(gc.collect())
        finally:
            gc.enable()
    # Not one object a request. What tests before began may end in one of the rounds.
    assert min(left) < REQUESTS
