"""Gather what many jobs ask at nearly the same time, and do it in one call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# For so long the first of a round waits for others.
GATHER_S = 0.005
MOST_AT_ONCE = 200


class Gathering(Generic[Item, Answer]):
    """Hands what is asked to `ask_all`, in rounds; it answers in the order of the items. Whatever
    it raises, all of the round get. At most `rounds` are under way; who comes meanwhile is in the
    next.
    """

    def __init__(
        self,
        ask_all: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        rounds: int = 2,
        most: int = MOST_AT_ONCE,
    ) -> None:
        self._ask_all = ask_all
        self._most = most
        self._room = asyncio.Semaphore(rounds)
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering = False

    async def ask(self, item: Item) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if not self._gathering:
            self._gathering = True
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _run(self) -> None:
        try:
            await asyncio.sleep(GATHER_S)
            while self._waiting:
                await self._room.acquire()
                round_, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                task = asyncio.create_task(self._answer(round_))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            self._gathering = False

    async def _answer(self, round_: Sequence[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._ask_all([item for item, _ in round_])
            if len(answers) != len(round_):
                raise ValueError("not one answer for each item")
        except Exception as error:
            for _, future in round_:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(round_, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        finally:
            self._room.release()
