"""APNs: how the one HTTP/2 connection to Apple is used, lost and opened again."""

import asyncio

from tests.push.fakes.apns import FakeApns
from tests.push.providers.conftest import MakeApns, endpoint
from tests.push.providers.pushing import make_push
from tests.waiting import eventually
from workers.push.providers.apns import Apns
from workers.push.providers.pushes import DELIVERED, ProviderAnswer, PushOutcome


async def test_sends_everything_over_one_connection_at_once(apns: Apns, apple: FakeApns) -> None:
    answers = await asyncio.gather(*(apns.send(endpoint(), make_push()) for _ in range(500)))
    assert set(answers) == {DELIVERED}
    assert apple.opened == 1
    assert len({one.id for one in apple.accepted}) == 500


async def test_asks_no_more_at_once_than_it_may(make_apns: MakeApns, apple: FakeApns) -> None:
    apns = make_apns(concurrency=4, deadline_s=0.2)
    await apns.send(endpoint(), make_push())
    apple.hang()
    answers = await asyncio.gather(*(apns.send(endpoint(), make_push()) for _ in range(20)))
    assert {one.outcome for one in answers} == {PushOutcome.RETRY}
    assert apple.most_at_once == 4


async def test_gives_up_in_time_what_is_not_answered_and_takes_its_stream_back(
    make_apns: MakeApns, apple: FakeApns
) -> None:
    apns = make_apns(deadline_s=0.5)
    await apns.send(endpoint(), make_push())
    apple.hang(times=1)
    hanging = asyncio.create_task(apns.send(endpoint(), make_push()))
    await eventually(lambda: apple.at_once)
    while not hanging.done():
        assert await apns.send(endpoint(), make_push()) == DELIVERED
    answer = hanging.result()
    assert (answer.outcome, answer.said) == (PushOutcome.RETRY, "no answer in time")
    await eventually(lambda: apple.reset == 1)
    assert apple.opened == 1


async def test_leaves_a_connection_on_which_nothing_is_heard(
    make_apns: MakeApns, apple: FakeApns
) -> None:
    apns = make_apns(deadline_s=0.1)
    await apns.send(endpoint(), make_push())
    apple.hang()
    async with asyncio.timeout(60):
        assert (await apns.send(endpoint(), make_push())).said == "no answer in time"
    apple.recover()
    assert await apns.send(endpoint(), make_push()) == DELIVERED
    assert apple.opened == 2


async def test_asks_again_at_once_what_apple_did_not_take(apns: Apns, apple: FakeApns) -> None:
    await apns.send(endpoint(), make_push())
    apple.refuse(times=2)
    assert await apns.send(endpoint(), make_push()) == DELIVERED
    apple.refuse(times=9)
    assert (await apns.send(endpoint(), make_push())).said == "turned away"


async def test_reaches_nobody_and_says_so(make_apns: MakeApns) -> None:
    answer = await make_apns(url="http://127.0.0.1:9").send(endpoint(), make_push())
    assert (answer.outcome, answer.said) == (PushOutcome.RETRY, "not reached")


async def test_opens_another_connection_when_apple_goes_away(apns: Apns, apple: FakeApns) -> None:
    await apns.send(endpoint(), make_push())
    apple.go_away()
    assert await apns.send(endpoint(), make_push()) == DELIVERED
    assert apple.opened == 2


async def test_loses_nothing_when_apple_goes_away_under_load(apns: Apns, apple: FakeApns) -> None:
    sending = asyncio.gather(*(apns.send(endpoint(), make_push()) for _ in range(600)))
    for round_ in (1, 2, 3):
        await eventually(lambda at=round_ * 100: len(apple.accepted) >= at)  # type: ignore[misc]
        apple.go_away()
    assert set(await sending) == {DELIVERED}
    assert len(apple.accepted) == 600


async def test_waits_for_what_apple_still_answers_when_it_goes_away(
    apns: Apns, apple: FakeApns
) -> None:
    await apns.send(endpoint(), make_push())
    apple.hang(times=1)
    taken = asyncio.create_task(apns.send(endpoint(), make_push()))
    await eventually(lambda: apple.at_once)
    apple.go_away()
    assert await apns.send(endpoint(), make_push()) == DELIVERED
    apple.answer_late()
    assert await taken == DELIVERED
    assert [one.connection for one in apple.accepted] == [1, 2, 1]


async def test_waits_until_apple_has_room(apns: Apns, apple: FakeApns) -> None:
    """Flow control: more at once than the connection's window holds."""
    await apns.send(endpoint(), make_push())
    pushes = [make_push(body="x" * 3500) for _ in range(100)]
    answers = await asyncio.gather(*(apns.send(endpoint(), push) for push in pushes))
    assert set(answers) == {DELIVERED}


async def test_tries_later_what_was_cut_off(apns: Apns, apple: FakeApns) -> None:
    await apns.send(endpoint(), make_push())
    apple.hang()
    sending = asyncio.create_task(apns.send(endpoint(), make_push()))
    await eventually(lambda: apple.at_once)
    apple.cut()
    assert await sending == ProviderAnswer(PushOutcome.RETRY, said="cut off")


async def test_stops_when_it_is_told_to(make_apns: MakeApns, apple: FakeApns) -> None:
    apns = make_apns()
    apple.hang()
    sending = asyncio.create_task(apns.send(endpoint(), make_push()))
    await eventually(lambda: apple.at_once)
    await apns.close()
    assert (await sending).outcome is PushOutcome.RETRY
