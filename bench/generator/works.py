"""The works: what is asked of a server, and what is measured of it. All loops are bounded in time.

W1       closed loop of senders, each with a conversation of their own: answered sends a second
W2       sends at a fixed rate: from the send to the frame at the other person
W2max    W1 with the other person following: deliveries a second
W3       one sender, everybody else in the group follows, each from another position: deliveries
         a second, and when the last member had it; a window of 8 messages
W3b      W3 by the inbox, with the fragments that a client's cache writes
W3rate   W3 at a fixed rate
W4       idle followers: memory of one
W5       closed loop of readers of the newest 50 messages of the long chat
W6       W3 by the inbox, a message at a time, and all who follow acknowledge each
"""

import asyncio
import re
from collections.abc import Awaitable, Callable

from bench.generator.acknowledging import w6
from bench.generator.deliveries import Deliveries, Replay
from bench.generator.loops import Asked, Result, run_closed, run_open
from bench.generator.measures import Cpu, memory_kib, now, summary
from bench.generator.sender import Sender
from bench.generator.target import Failed, Target
from bench.generator.wire import WebSocket, post

W3_WINDOW = 8
# Followers of W3 begin so many entries before the head, or less.
REPLAYED_ENTRIES = 40
PAGE_ENTRIES = 50
DELIVERED_WITHIN_S = 30


async def w1(target: Target, asked: Asked) -> Result:
    pairs = target.world.pairs
    senders = [
        await Sender(target, pair.a, pair.conv).open()
        for pair in (pairs[k % len(pairs)] for k in range(asked.conc))
    ]
    await run_closed(asked.conc, lambda k, i: senders[k].send(i), asked.warm_s)
    cpu = Cpu(target.roots)
    loop = await run_closed(asked.conc, lambda k, i: senders[k].send(i), asked.secs)
    return {**loop.figures(), **cpu.stop(len(loop.latencies))}


async def _open_pairs(target: Target, asked: Asked) -> tuple[list[Sender], Deliveries]:
    """Senders whose other person follows. Numbers are unique over all of them."""
    pairs = target.world.pairs[: asked.conc]
    deliveries = Deliveries(1)
    for pair in pairs:
        await target.follow(pair.b, pair.conv, deliveries.take)
    senders = [await Sender(target, pair.a, pair.conv).open() for pair in pairs]
    await asyncio.sleep(asked.settle_s)
    return senders, deliveries


async def w2(target: Target, asked: Asked) -> Result:
    senders, deliveries = await _open_pairs(target, asked)
    busy = [asyncio.Lock() for _ in senders]
    first, count = 0, 0
    cpu = Cpu(target.roots)

    async def send(number: int) -> None:
        place = number % len(senders)
        async with busy[place]:
            await senders[place].send(first + number)

    for secs in (asked.warm_s, asked.secs):
        deliveries.reset()
        first, count = first + count, int(asked.rate * secs)
        cpu = Cpu(target.roots)
        await run_open(asked.rate, count, send)
        await deliveries.wait_for(count)
    return {"per_s": asked.rate, **summary(deliveries.latencies), **cpu.stop(count)}


async def w2max(target: Target, asked: Asked) -> Result:
    senders, deliveries = await _open_pairs(target, asked)
    numbers = iter(range(10**9))
    sent = 0

    async def send(worker: int, _: int) -> None:
        nonlocal sent
        await senders[worker].send(next(numbers))
        sent += 1

    await run_closed(len(senders), send, asked.warm_s)
    await deliveries.wait_for(sent)
    deliveries.reset()
    sent, cpu, began = 0, Cpu(target.roots), now()
    await run_closed(len(senders), send, asked.secs)
    await deliveries.wait_for(sent)
    return {
        "per_s": round(sent / (now() - began), 1),
        "window_per_s": deliveries.windows.median_per_s(),
        **summary(deliveries.latencies),
        **cpu.stop(sent),
    }


async def _open_group(target: Target, asked: Asked, *, cached: bool = False) -> Deliveries:
    """All members but the sender follow; each has had its own replay when this returns."""
    group = target.world.group
    members = [token for token in group.members if token != group.sender][: asked.members - 1]
    head = await _find_head(target) if target.knows_positions else None
    deliveries = Deliveries(len(members))
    lacking = asyncio.Semaphore(0)
    for place, token in enumerate(members):
        after = None if head is None else max(0, head - 1 - place % REPLAYED_ENTRIES)
        replayed = 0 if head is None or after is None else head - after
        replay = Replay(replayed, lacking, deliveries)
        await target.follow(token, group.conv, replay, after=after, cached=cached)
        if place == 0:
            # The naive peer's broadcaster loses followers where the first ones of a topic overlap.
            await asyncio.sleep(0.3)
    if head is None:
        await asyncio.sleep(asked.settle_s)
        return deliveries
    async with asyncio.timeout(DELIVERED_WITHIN_S):
        for _ in members:
            await lacking.acquire()
    return deliveries


async def _find_head(target: Target) -> int:
    """Where the group's log ends: a message that is sent says it."""
    group = target.world.group
    sender = await Sender(target, group.sender, group.conv).open()
    answer = await sender.send(0)
    found = re.search(rb'"seq":\s*(\d+)', answer)
    if found is None:
        raise Failed(f"No seq in {answer[:200]!r}.")
    return int(found[1])


async def w3(target: Target, asked: Asked) -> Result:
    return await _send_to_group(target, asked, await _open_group(target, asked))


async def w3b(target: Target, asked: Asked) -> Result:
    return await _send_to_group(target, asked, await _open_group(target, asked, cached=True))


async def _send_to_group(target: Target, asked: Asked, deliveries: Deliveries) -> Result:
    group = target.world.group
    senders = [await Sender(target, group.sender, group.conv).open() for _ in range(W3_WINDOW)]
    numbers = iter(range(10**9))

    async def send(worker: int, _: int) -> None:
        number = next(numbers)
        delivered = deliveries.expect(number)
        await senders[worker].send(number)
        async with asyncio.timeout(DELIVERED_WITHIN_S):
            await delivered.wait()

    await run_closed(W3_WINDOW, send, asked.warm_s)
    deliveries.reset()
    cpu = Cpu(target.roots)
    loop = await run_closed(W3_WINDOW, send, asked.secs)
    deliveries.check()
    return {
        "per_s": round(deliveries.count / loop.took_s, 1),
        "window_per_s": deliveries.windows.median_per_s(),
        "messages_per_s": round(len(loop.latencies) / loop.took_s, 1),
        "followers": deliveries.followers,
        **summary(deliveries.last_latencies),
        **cpu.stop(deliveries.count),
    }


async def w3rate(target: Target, asked: Asked) -> Result:
    deliveries = await _open_group(target, asked)
    group = target.world.group
    senders = [await Sender(target, group.sender, group.conv).open() for _ in range(16)]
    busy = [asyncio.Lock() for _ in senders]

    async def send(number: int) -> None:
        place = number % len(senders)
        async with busy[place]:
            await senders[place].send(number)

    count, cpu = int(asked.rate * asked.secs), Cpu(target.roots)
    await run_open(asked.rate, count, send)
    await deliveries.wait_for(count * deliveries.followers)
    return {
        "per_s": asked.rate,
        "followers": deliveries.followers,
        **summary(deliveries.last_latencies),
        **cpu.stop(deliveries.count),
    }


async def w4(target: Target, asked: Asked) -> Result:
    idle, failures = target.world.idle, list[bytes]()
    before_kib = memory_kib(target.roots["server"])

    def take(_: WebSocket, payload: bytes) -> None:
        if b'"error' in payload:
            failures.append(payload)

    sockets: list[WebSocket] = []
    cpu, began = Cpu(target.roots), now()
    while len(sockets) < asked.idle:
        next_ones = [idle[(len(sockets) + k) % len(idle)] for k in range(25)]
        sockets += await asyncio.gather(
            *(target.follow(one.token, one.conv, take) for one in next_ones)
        )
    took_s = now() - began
    used = cpu.stop(len(sockets))
    await asyncio.sleep(3)
    if failures or any(socket.closed for socket in sockets):
        raise Failed(f"Some idle sockets did not stay: {failures[:1]}")
    grown_kib = memory_kib(target.roots["server"]) - before_kib
    return {
        "per_s": round(len(sockets) / took_s, 1),
        "sockets": len(sockets),
        "kib_per_socket": round(grown_kib / len(sockets), 1),
        **used,
    }


async def w5(target: Target, asked: Asked) -> Result:
    history = target.world.history
    raw = post(
        target.profile.path,
        target.body(target.profile.history, conv=history.conv),
        target.headers(history.token),
    )
    clients = [await target.connect() for _ in range(asked.conc)]
    status, page = await clients[0].request(raw)
    entries = len(re.findall(rb'"text":', target.check(page, status)))
    if entries != PAGE_ENTRIES:
        raise Failed(f"A page has {entries} messages.")

    async def read(worker: int, _: int) -> None:
        status, answer = await clients[worker].request(raw)
        target.check(answer, status)

    await run_closed(asked.conc, read, asked.warm_s)
    cpu = Cpu(target.roots)
    loop = await run_closed(asked.conc, read, asked.secs)
    return {"bytes": len(page), **loop.figures(), **cpu.stop(len(loop.latencies))}


WORKS: dict[str, Callable[[Target, Asked], Awaitable[Result]]] = {
    "w1": w1,
    "w2": w2,
    "w2max": w2max,
    "w3": w3,
    "w3b": w3b,
    "w3rate": w3rate,
    "w4": w4,
    "w5": w5,
    "w6": w6,
}
