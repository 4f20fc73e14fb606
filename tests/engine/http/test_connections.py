"""Connections of uvicorn with Parley's protocol: several requests, and the time between two."""

import asyncio

from tests.engine.http.asgi import App
from tests.engine.http.http_app import BOOK, SAVE
from tests.engine.http.over_uvicorn import served
from tests.engine.http.test_execution import Slow


async def test_requests_that_come_in_one_piece_are_answered_in_their_order(app: App) -> None:
    async with served(app.http) as server:
        connection = await server.connect()

        connection.send(SAVE, BOOK, SAVE)
        answers = [await connection.read_answer() for _ in range(3)]

    assert [list(answer["data"]) for answer in answers] == [["save"], ["book"], ["save"]]


async def test_a_connection_is_closed_when_nothing_has_come_for_a_while(app: App) -> None:
    async with served(app.http, timeout_keep_alive=0.05) as server:
        connection = await server.connect()
        await connection.ask(BOOK)

        await connection.wait_until_closed()


async def test_a_connection_is_not_idle_while_its_request_runs(app: App) -> None:
    slow = Slow(None)
    async with served(app.http) as server:
        connection = await server.connect()
        await connection.ask(BOOK)
        app.context.before_save = slow
        connection.send(SAVE)
        await asyncio.wait_for(slow.asked.wait(), 60)

        # The time that began with the first answer passes.
        server.let_idle_time_pass()
        slow.let.set()

        assert list((await connection.read_answer())["data"]) == ["save"]
        server.let_idle_time_pass()
        await connection.wait_until_closed()
