"""The parts of a process: whatever opened them, they are closed in reverse."""

from contextlib import AsyncExitStack
from typing import Protocol, TypeVar


class Closable(Protocol):
    async def close(self) -> None:
        """End what the part has begun, also when it has begun only some of it."""


class Startable(Closable, Protocol):
    def start(self) -> None:
        """Begin what runs beside requests."""


ClosablePart = TypeVar("ClosablePart", bound=Closable)
StartablePart = TypeVar("StartablePart", bound=Startable)


class Parts(AsyncExitStack):
    """A stack of parts. When it is left, each is closed, the last one first, also if closing
    another one failed; so too when one fails while it starts.
    """

    def add(self, part: ClosablePart) -> ClosablePart:
        """Close the part in its turn."""
        self.push_async_callback(part.close)
        return part

    def start(self, part: StartablePart) -> StartablePart:
        """Start the part, and close it in its turn."""
        self.add(part)
        part.start()
        return part
