"""A client under test: a program that is told what to do, one line of JSON for each."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any, Protocol

Json = dict[str, Any]

ANSWER_S = 60
# A line may hold a whole picture.
LINE_BYTES = 64 * 1024 * 1024


class Misbehaved(Exception):
    """The client did not answer as docs/conformance.md says."""


class Driver(Protocol):
    async def tell(self, do: str, **arguments: Any) -> Json:
        """Return the answer. Raises Misbehaved."""

    async def kill(self) -> None:
        """End it without a word."""


class Program:
    """A client in a process of its own; what it writes to stderr is let through."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)

    @classmethod
    async def start(cls, command: Sequence[str]) -> "Program":
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, limit=LINE_BYTES
            )
        )

    async def tell(self, do: str, **arguments: Any) -> Json:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        id_ = next(self._ids)
        line = json.dumps({"id": id_, "do": do, **arguments})
        try:
            self._process.stdin.write(line.encode() + b"\n")
            answer = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_S)
        except (TimeoutError, OSError, ValueError) as error:
            raise Misbehaved(f"{do} got no answer within {ANSWER_S} s: {error!r}") from error
        return read_answer(do, id_, answer)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


def read_answer(do: str, id_: int, line: bytes) -> Json:
    """Return the answer that stands in a line. Raises Misbehaved."""
    if not line:
        raise Misbehaved(f"the program ended before it answered {do}")
    try:
        answer = json.loads(line)
    except ValueError:
        raise Misbehaved(f"the answer to {do} is no JSON: {line[:100]!r}") from None
    if not isinstance(answer, dict) or answer.get("id") != id_:
        raise Misbehaved(f"the answer to {do} does not have its id, {id_}: {line[:100]!r}")
    if answer.get("ok") is not True:
        raise Misbehaved(f"the client could not {do}: {answer.get('why')}")
    return answer
