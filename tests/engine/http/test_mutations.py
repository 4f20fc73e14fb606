"""What counts the mutations of one transport."""

import asyncio

from parley.transport.mutations import Mutations

FAR_S = 3600.0


async def test_waiting_lasts_until_the_last_one_has_ended() -> None:
    mutations = Mutations(FAR_S)
    with mutations.begin(_nobody):
        with mutations.begin(_nobody):
            waiting = asyncio.create_task(mutations.wait())
        await asyncio.sleep(0)
        assert not waiting.done()

    await asyncio.wait_for(waiting, 60)


async def test_nothing_is_waited_for_where_none_runs() -> None:
    await asyncio.wait_for(Mutations(FAR_S).wait(), 60)


async def test_each_is_told_once_at_its_deadline_and_counts_until_its_end() -> None:
    mutations = Mutations(0.01)
    told: list[str] = []
    all_told = asyncio.Event()

    def tell(name: str) -> None:
        told.append(name)
        if name == "third":
            all_told.set()

    with mutations.begin(lambda: tell("first")):
        with mutations.begin(lambda: tell("ended")):
            pass
        with mutations.begin(lambda: tell("second")), mutations.begin(lambda: tell("third")):
            await asyncio.wait_for(all_told.wait(), 60)
        waiting = asyncio.create_task(mutations.wait())
        await asyncio.sleep(0)
        assert not waiting.done()

    await asyncio.wait_for(waiting, 60)
    assert told == ["first", "second", "third"]


async def test_one_that_fails_has_ended() -> None:
    mutations = Mutations(FAR_S)
    try:
        with mutations.begin(_nobody):
            raise LookupError
    except LookupError:
        await asyncio.wait_for(mutations.wait(), 60)


def _nobody() -> None:
    raise AssertionError("It is not late.")
