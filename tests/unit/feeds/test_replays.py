"""Turns of replays: so many at once, in rotation over users, whoever gives up meanwhile."""

import asyncio
from collections import Counter

from subscriptions.replays import Pace, Replays, RotatingTurns
from tests.waiting import steps


class Taking:
    """Users who take turns, each noted when it got one."""

    def __init__(self, at_once: int) -> None:
        self.turns = RotatingTurns(at_once)
        self.given: list[str] = []

    def begin(self, user_id: str) -> "asyncio.Task[None]":
        return asyncio.create_task(self._take(user_id))

    async def _take(self, user_id: str) -> None:
        await self.turns.take(user_id)
        self.given.append(user_id)

    async def give_back(self, count: int) -> str:
        """Return the users who got a turn then, in order."""
        before = len(self.given)
        for _ in range(count):
            self.turns.give_back()
            await steps(2)
        return "".join(self.given[before:])


async def test_so_many_have_a_turn_at_once() -> None:
    taking = Taking(2)
    for user_id in "abc":
        taking.begin(user_id)
    await steps(2)

    assert taking.given == ["a", "b"]
    assert await taking.give_back(1) == "c"
    assert await taking.give_back(2) == ""
    await taking.begin("d")
    await taking.begin("e")


async def test_one_who_asks_often_waits_for_themselves_and_others_for_one_of_them() -> None:
    taking = Taking(1)
    for user_id in "aaaaabaac":
        taking.begin(user_id)
    await steps(2)

    assert await taking.give_back(8) == "abcaaaaa"


async def test_who_gives_up_is_passed_over() -> None:
    taking = Taking(1)
    holder, gone, other = (taking.begin(user_id) for user_id in "abc")
    await holder
    await steps(2)

    gone.cancel()
    await steps(2)

    assert await taking.give_back(1) == "c"
    await other


async def test_who_gives_up_with_a_turn_in_hand_passes_it_on() -> None:
    taking = Taking(1)
    holder, gone, other = (taking.begin(user_id) for user_id in "abc")
    await holder
    await steps(2)

    taking.turns.give_back()
    gone.cancel()
    await other

    assert taking.given == ["a", "c"]


async def test_a_turn_ends_with_an_error_too() -> None:
    replays = Replays(reads_at_once=1)
    try:
        async with Pace(replays, "a").turn():
            raise ValueError
    except ValueError:
        pass

    async with Pace(replays, "b").turn():
        pass


async def test_in_one_turn_of_the_loop_one_replay_goes_on() -> None:
    """Each uses its slice up at once."""
    replays = Replays(slice_s=0)
    loop_turn = 0
    stepped: Counter[int] = Counter()
    by_user: Counter[str] = Counter()

    async def replay(user_id: str) -> None:
        pace = Pace(replays, user_id)
        for _ in range(10):
            await pace.step()
            stepped[loop_turn] += 1
            by_user[user_id] += 1

    running = [asyncio.create_task(replay(user_id)) for user_id in "aaaab"]
    while not all(task.done() for task in running):
        loop_turn += 1
        assert loop_turn < 1000
        await asyncio.sleep(0)
        if by_user["b"] == 10:
            assert by_user["a"] < 16
            by_user["b"] = -100

    assert sum(stepped.values()) == 50
    assert max(stepped.values()) == 1


async def test_a_slice_that_is_not_used_up_needs_no_new_one() -> None:
    replays = Replays(slice_s=60)
    pace = Pace(replays, "a")
    await pace.step()

    for _ in range(1000):
        step = pace.step()
        try:
            step.send(None)
        except StopIteration:
            continue
        raise AssertionError("it waited")
