"""Looking names up: once for all who ask, and not for longer than anybody waits."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.waiting import eventually
from workers.push.providers.lookups import (
    KNOWN_AT_ONCE,
    OF_A_DOMAIN_AT_ONCE,
    STRANGE_AT_ONCE,
    Lookups,
)


class Names:
    """A resolver that blocks for names that are `slow`, until it is told to go on."""

    def __init__(self) -> None:
        self.slow: set[str] = set()
        self.asked: list[str] = []
        self.go_on = threading.Event()

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host in self.slow or "slow" in host:
            self.go_on.wait(60)
        if host == "none.example":
            raise OSError("no such name")
        return ["192.0.2.1"]


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names()
    yield names
    names.go_on.set()


async def all_fail(lookups: Lookups, hosts: list[str]) -> None:
    found = await asyncio.gather(
        *(lookups.resolve(host, 443) for host in hosts), return_exceptions=True
    )
    assert all(isinstance(each, OSError) for each in found), found


async def test_many_who_ask_for_one_name_share_one_look_up(names: Names) -> None:
    lookups = Lookups(names)
    names.slow.add("push.example")
    asking = [asyncio.create_task(lookups.resolve("push.example", 443)) for _ in range(50)]
    await eventually(lambda: names.asked)
    names.go_on.set()

    assert await asyncio.gather(*asking) == [["192.0.2.1"]] * 50
    assert names.asked == ["push.example"]


async def test_who_asks_waits_no_longer_than_the_deadline_and_takes_no_second_thread(
    names: Names,
) -> None:
    lookups = Lookups(names, deadline_s=0.05)
    await all_fail(lookups, ["slow.example"] * 10)
    with pytest.raises(OSError, match="name server is slow"):
        # At once, without a turn of the loop.
        lookups.resolve("slow.example", 443).send(None)
    assert names.asked == ["slow.example"]

    names.go_on.set()

    async def is_answered() -> bool:
        try:
            return await lookups.resolve("slow.example", 443) == ["192.0.2.1"]
        except OSError:
            return False

    await eventually(is_answered)


async def test_strangers_that_are_slow_take_nothing_from_those_that_answer(names: Names) -> None:
    lookups = Lookups(names, deadline_s=0.05)
    await lookups.resolve("known.example", 443)
    strangers = [f"slow{number}.of{number}.example" for number in range(100)]
    many = [f"slow{number}.example{number}" for number in range(100)]
    await all_fail(lookups, strangers + many)
    assert len(names.asked) == 1 + STRANGE_AT_ONCE

    assert await lookups.resolve("known.example", 443) == ["192.0.2.1"]
    assert await lookups.resolve("fcm.googleapis.com", 443) == ["192.0.2.1"]
    await all_fail(lookups, ["new.test"])


async def test_one_domain_leaves_room_for_others(names: Names) -> None:
    lookups = Lookups(names, deadline_s=0.05)
    await all_fail(lookups, [f"slow{number}.attack.example" for number in range(100)])
    assert len(names.asked) == OF_A_DOMAIN_AT_ONCE

    assert await lookups.resolve("push.test", 443) == ["192.0.2.1"]


async def test_a_name_that_turns_slow_is_a_stranger_again(names: Names) -> None:
    lookups = Lookups(names, deadline_s=0.05)
    hosts = [f"h{number}.d{number}" for number in range(KNOWN_AT_ONCE + 4)]
    for host in hosts:
        await lookups.resolve(host, 443)
    names.slow.update(hosts[:KNOWN_AT_ONCE])
    await all_fail(lookups, hosts[:KNOWN_AT_ONCE])
    names.go_on.set()
    await eventually(lambda: not lookups._under_way)

    assert set(lookups._known) == set(hosts[KNOWN_AT_ONCE:])


async def test_a_name_that_is_none_is_said_to_all(names: Names) -> None:
    await all_fail(Lookups(names), ["none.example"] * 3)


async def test_the_systems_resolver_finds_this_machine() -> None:
    assert "127.0.0.1" in await Lookups().resolve("localhost", 443)
