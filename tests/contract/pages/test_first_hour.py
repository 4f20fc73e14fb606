"""The README's way from a terminal to a live message, block by block as it stands, in bash."""

import asyncio
import re
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from models.postgresql.database import Database
from tests.serving import Server

README = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
SECTION = "## The same from a terminal\n"
ADDRESS = "http://127.0.0.1:8000/graphql"
WITHIN_S = 60


def read_blocks() -> list[str]:
    """Return what is to be pasted, in its order."""
    section = README.split(SECTION)[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


@pytest_asyncio.fixture
async def terminal() -> AsyncIterator[Process]:
    """A shell that does what is written to it, and shows what a terminal shows."""
    process = await asyncio.create_subprocess_exec("bash", stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    yield process
    assert process.stdin
    # As the README ends the stream.
    process.stdin.write(b"kill %1\nexit\n")
    async with asyncio.timeout(WITHIN_S):
        await process.communicate()


async def read_until(process: Process, wanted: str) -> str:
    """Return what was shown, up to the line with `wanted`."""
    assert process.stdout
    shown = ""
    try:
        async with asyncio.timeout(WITHIN_S):
            while wanted not in shown:
                line = (await process.stdout.readline()).decode()
                assert line, shown
                shown += line
    except TimeoutError:
        raise AssertionError(f"{wanted!r} did not come; there was: {shown}") from None
    return shown


async def test_pasted_blocks_lead_to_a_live_message_of_a_second_person(
    database: Database, server: Server, terminal: Process
) -> None:
    assert terminal.stdin
    first, *rest = read_blocks()
    assert first.startswith(f"API={ADDRESS}\n")

    for block in (first.replace(ADDRESS, server.url), *rest[:-1]):
        terminal.stdin.write(block.encode())
    ready = await read_until(terminal, "InboxReady")
    terminal.stdin.write(rest[-1].encode())
    live = await read_until(terminal, '"MessageAdded"')

    shown = ready + live
    # Every answer is shown.
    assert [name for name in ("requestCode", "signIn", "usersByPhone") if name not in shown] == []
    assert "Hello from a terminal" in live.splitlines()[-1]
    assert [word for word in ("errors", "reason") if word in shown] == []
    assert "`kill %1` ends the stream." in README


def test_blocks_hold_nothing_that_a_shell_of_a_terminal_takes_otherwise() -> None:
    """zsh runs what follows a # as a command, and bash and zsh replace what follows a !."""
    for block in read_blocks():
        assert [line for line in block.splitlines() if re.search(r"(^|\s)#|!", line)] == []
