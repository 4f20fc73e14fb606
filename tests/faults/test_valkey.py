"""Valkey is a hint: whatever it loses, every message arrives once, in order, also the last one of a
quiet chat, soon after its coming back. (5 s are promised; a busy machine may take longer.)
"""

import asyncio
import signal
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import pytest

from examples.server import RunningServer
from examples.two_people import Conversation, cut_subscriptions, flush_valkey, kill_valkey

# The nodes' lease is 10 s, the outbox reaches back 30 s.
LONG_S = 11
# Longer than commands and beats are waited for.
HANGING_S = 4

Strike = Callable[[RunningServer], Coroutine[None, None, float]]


async def cut_all_subscriptions(server: RunningServer) -> float:
    await server.cut_all_subscriptions()
    return time.monotonic()


STRIKES = [kill_valkey, flush_valkey, cut_subscriptions, cut_all_subscriptions]


@pytest.mark.parametrize("strike", STRIKES)
async def test_nothing_is_lost_or_doubled_under_load_when(
    server: RunningServer, talk: Conversation, strike: Strike
) -> None:
    await talk.talk(150, strike=strike(server))

    await talk.all_arrived()
    await talk.check()


@pytest.mark.parametrize("strike", STRIKES)
async def test_the_last_message_before_arrives_though_nothing_follows_when(
    server: RunningServer, talk: Conversation, strike: Strike
) -> None:
    """Just answered, so that its dispatch and the fault race."""
    for person in talk.people:
        text = await talk.send(person)
        await strike(server)
        await talk.all_arrived({text})

    await talk.check()


@pytest.mark.parametrize("strike", STRIKES)
async def test_the_first_message_after_arrives_though_nothing_follows_when(
    server: RunningServer, talk: Conversation, strike: Strike
) -> None:
    for person in talk.people:
        striking = asyncio.create_task(strike(server))
        text = await talk.send(person)
        await striking
        await talk.all_arrived({text})

    await talk.check()


@contextmanager
def kept_down(server: RunningServer) -> Iterator[None]:
    """Valkey is killed, and nobody starts it again."""
    server.kill("supervisor", number=signal.SIGSTOP)
    try:
        server.kill("valkey")
        yield
    finally:
        server.kill("supervisor", number=signal.SIGCONT)


async def test_messages_arrive_while_valkey_is_away_for_longer_than_a_lease(
    server: RunningServer, talk: Conversation
) -> None:
    alice, bob = talk.people
    dead = server.pid("valkey")
    until = time.monotonic() + LONG_S

    with kept_down(server):
        while time.monotonic() < until:
            text = await talk.send(alice)
            await talk.all_arrived({text})
            # Whoever connects again meanwhile is served too.
            assert bob.inbox.connection is not None
            bob.inbox.connection.transport.abort()
        last = await talk.send(bob)
    await server.is_back("valkey", dead=dead)

    await talk.all_arrived({last})
    await talk.check()


async def test_sends_are_answered_at_once_and_none_is_lost_while_valkey_hangs(
    server: RunningServer, talk: Conversation
) -> None:
    until, seconds = time.monotonic() + HANGING_S, list[float]()

    server.kill("valkey", number=signal.SIGSTOP)
    try:
        while time.monotonic() < until or len(seconds) < 5:
            started = time.monotonic()
            for person in talk.people:
                await talk.send(person)
            seconds.append(time.monotonic() - started)
    finally:
        server.kill("valkey", number=signal.SIGCONT)

    # Less than any wait for Valkey; one that was held up by the machine proves nothing.
    assert statistics.median(seconds) < 1
    await talk.all_arrived()
    await talk.check()


async def test_the_last_message_while_valkey_hangs_arrives_though_nothing_follows(
    server: RunningServer, talk: Conversation
) -> None:
    for person in talk.people:
        server.kill("valkey", number=signal.SIGSTOP)
        try:
            text = await talk.send(person)
        finally:
            server.kill("valkey", number=signal.SIGCONT)
        await talk.all_arrived({text})

    await talk.check()
