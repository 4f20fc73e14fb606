"""Requests over uvicorn leave nothing to the garbage collector, which would look at it for long."""

import gc
from typing import Any

import pytest

from tests.engine.http.asgi import App
from tests.engine.http.http_app import BOOK, SAVE
from tests.engine.http.over_uvicorn import served

REQUESTS = 50


@pytest.mark.parametrize("request_", [BOOK, SAVE], ids=["query", "mutation"])
async def test_what_a_request_made_is_free_when_it_is_answered(app: App, request_: Any) -> None:
    async with served(app.http) as server:
        connection = await server.connect()
        for _ in range(5):
            await connection.ask(request_)
        gc.collect()
        gc.disable()
        try:
            for _ in range(REQUESTS):
                await connection.ask(request_)
            # Not one object a request.
            assert gc.collect() < REQUESTS
        finally:
            gc.enable()
