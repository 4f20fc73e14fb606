"""How a deploy ends the sockets and streams of a process, and what it takes until then."""

from tests.client import ending, open_socket, until
from tests.make import Person
from tests.serving import ServedWith, Server

INBOX = "subscription { inbox { __typename ... on MessageAdded { message { text } } } }"


async def readiness(server: Server) -> int:
    return (await server.http.get(f"http://{server.host}/readyz")).status_code


async def test_a_process_that_is_not_ready_any_more_takes_requests_sockets_and_streams(
    alice: Person, served_with: ServedWith
) -> None:
    async with served_with() as server:
        device = alice.at(server)
        async with device.follow(INBOX) as before:
            await until(before, "InboxReady")

            server.app.stop_being_ready()

            assert await readiness(server) == 503
            assert await device.query("{ viewer { name } }") == {"viewer": {"name": "Alice"}}
            async with device.follow(INBOX) as stream, device.listen(INBOX) as event_stream:
                await until(stream, "InboxReady")
                await until(event_stream, "InboxReady")

                await server.app.drain()

                assert (await ending(before)).close_code == 1012
                assert (await ending(stream)).close_code == 1012
                end = await ending(event_stream)
                assert (end.complete, end.errors) == (False, [])


async def test_a_socket_that_comes_while_others_close_is_closed_with_1012_too(
    alice: Person, served_with: ServedWith
) -> None:
    async with served_with() as server:
        await server.app.drain()

        assert await readiness(server) == 503
        async with open_socket(server) as socket:
            assert await socket.close_code() == 1012
