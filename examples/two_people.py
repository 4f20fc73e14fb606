"""Alice and Bob talk through a running server, and every message is accounted for: `make demo`.

Alice sends to one API process and reads at another, Bob the other way round; so each message goes
from process to process. Both inboxes must give every entry once, in order, and equal the history.
`--faults` kills, empties and cuts parts of the server in the middle. Exits with 1 if a message is
missing, doubled or out of order.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from examples.client import Api, Device, Inbox, Json, OutOfOrder
from examples.files import Unfinished, exchange, require_clean
from examples.server import NotRunning, RunningServer, find_server, start_server

WITHIN_S = 30
PROMISED_S = 5

Strike = Callable[[RunningServer], Coroutine[None, None, float]]


class Failed(Exception):
    """A promise was broken."""


@dataclass
class Person:
    name: str
    sender: Device
    inbox: Inbox
    # What they said, in order; what came in: by text, when; and the entries as they came.
    said: list[str] = field(default_factory=list)
    arrived_at: dict[str, float] = field(default_factory=dict)
    entries: list[tuple[int, str]] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Conversation:
    """One chat, its two people, and when each text was sent."""

    def __init__(self, chat_id: str, seq: int, people: tuple[Person, Person]) -> None:
        self.chat_id = chat_id
        self.start_seq = seq
        self.people = people
        self.sent_at: dict[str, float] = {}
        # Where a part of the server was taken away, figures stand for the fault, not for delivery.
        self.undisturbed: set[str] = set()
        # What comes after it was checked is not about texts.
        self.over = False
        self._arrival = asyncio.Event()

    async def read(self, person: Person) -> None:
        async for event in person.inbox:
            if event["__typename"] == "InboxReady":
                person.ready.set()
            elif event["__typename"] == "ResyncRequired":
                raise OutOfOrder(f"{person.name} is told to fetch the chat anew")
            elif event.get("channelId") == self.chat_id and not self.over:
                self._take(person, event)

    def _take(self, person: Person, event: Json) -> None:
        text = event["message"]["text"]
        if text in person.arrived_at:
            raise OutOfOrder(f"{person.name} got {text!r} twice")
        person.arrived_at[text] = time.monotonic()
        person.entries.append((event["seq"], text))
        self._arrival.set()

    async def send(self, person: Person, *, undisturbed: bool = False) -> str:
        text = f"{person.name}'s message {len(person.said) + 1}"
        person.said.append(text)
        self.sent_at[text] = time.monotonic()
        if undisturbed:
            self.undisturbed.add(text)
        await person.sender.send(self.chat_id, text)
        return text

    async def talk(
        self,
        messages: int,
        *,
        undisturbed: bool = False,
        strike: Coroutine[None, None, float] | None = None,
    ) -> None:
        """Both send so many, one after the other; in the middle something may happen."""
        halfway = asyncio.Event()

        async def speak(person: Person) -> None:
            for number in range(messages):
                if number == messages // 2:
                    halfway.set()
                await self.send(person, undisturbed=undisturbed)

        async def interfere() -> None:
            if strike is not None:
                await halfway.wait()
                await strike

        await asyncio.gather(*(speak(person) for person in self.people), interfere())

    async def all_arrived(self, texts: set[str] | None = None, within_s: float = WITHIN_S) -> None:
        wanted = set(self.sent_at) if texts is None else texts
        try:
            async with asyncio.timeout(within_s):
                while any(wanted - person.arrived_at.keys() for person in self.people):
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            lost = {p.name: len(wanted - p.arrived_at.keys()) for p in self.people}
            raise Failed(f"messages are missing after {within_s:g} s: {lost}") from None

    def latencies_ms(self, sender: Person, reader: Person) -> list[float]:
        return sorted(
            (reader.arrived_at[text] - self.sent_at[text]) * 1000
            for text in sender.said
            if text in self.undisturbed
        )

    async def check(self) -> None:
        """Both inboxes and the history are the same: all texts once, gapless, in the order sent."""
        one, other = self.people
        seqs = [seq for seq, _ in one.entries]
        if seqs != list(range(self.start_seq + 1, self.start_seq + 1 + len(self.sent_at))):
            raise Failed(f"{one.name}'s entries are not gapless: {seqs}")
        if one.entries != other.entries:
            raise Failed("the two saw different conversations")
        for person in self.people:
            said = set(person.said)
            if person.said != [text for _, text in one.entries if text in said]:
                raise Failed(f"what {person.name} said is not in the order of sending")
        history = await one.sender.history(self.chat_id)
        stored = [(message["seq"], message["text"]) for message in history]
        if [entry for entry in stored if entry[0] > self.start_seq] != one.entries:
            raise Failed("the history is not what was delivered")


# -------------------------------------------------------------------- faults


async def kill_valkey(server: RunningServer) -> float:
    dead = server.kill("valkey")
    return await server.is_back("valkey", dead=dead)


async def flush_valkey(server: RunningServer) -> float:
    await server.flush_valkey()
    return time.monotonic()


async def cut_subscriptions(server: RunningServer) -> float:
    await server.cut_each_subscription()
    return time.monotonic()


async def kill_api(server: RunningServer) -> float:
    """Kill an API process. Return when it went: clients go elsewhere at once."""
    struck_at = time.monotonic()
    dead = server.kill("api", 1)
    await server.is_back("api", 1, dead=dead)
    return struck_at


FAULTS: dict[str, Strike] = {
    "Valkey is killed (-9), and started again": kill_valkey,
    "Valkey is emptied (FLUSHALL)": flush_valkey,
    "the subscription of one process after the other is cut (CLIENT KILL)": cut_subscriptions,
    "an API process is killed (-9), and started again": kill_api,
}


async def try_quietly(talk: Conversation, server: RunningServer, strike: Strike) -> str:
    """Check that the last message before the strike arrives, and the first after it, though nothing
    more is sent.
    """
    alice = talk.people[0]
    last = await talk.send(alice)
    striking = asyncio.ensure_future(strike(server))
    first = await talk.send(alice)
    back_at = await striking
    await talk.all_arrived({last, first}, within_s=PROMISED_S + time.monotonic() - back_at)
    waits = []
    for text in (last, first):
        arrived_at = max(person.arrived_at[text] for person in talk.people)
        waits.append(max(0.0, arrived_at - max(back_at, talk.sent_at[text])))
    if max(waits) > PROMISED_S:
        raise Failed(f"a message came {max(waits):.1f} s after the server was whole again")
    return f"the last before it came {waits[0]:.2f} s, the first after it {waits[1]:.2f} s after it"


# -------------------------------------------------------------------- the demo


@asynccontextmanager
async def conversation(
    server: RunningServer, number: str = "+14155550101", other_number: str = "+14155550102"
) -> AsyncIterator[Conversation]:
    apis = [Api(port) for port in server.ports]
    one, other = apis[0], apis[-1]
    alice = await Device.sign_in([one, other], number, "Alice")
    bob = await Device.sign_in([other, one], other_number, "Bob")
    chat_id, seq = await alice.open_chat(bob)
    people = (
        Person("Alice", alice, alice.at(one, other).inbox({chat_id: seq})),
        Person("Bob", bob, bob.at(other, one).inbox({chat_id: seq})),
    )
    talk = Conversation(chat_id, seq, people)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(talk.read(person)) for person in people]
        for person in people:
            await asyncio.wait_for(person.ready.wait(), WITHIN_S)
        yield talk
        for reader in readers:
            reader.cancel()
    for api in apis:
        api.close()


async def play(server: RunningServer, messages: int, *, faults: bool) -> None:
    async with conversation(server) as talk:
        if not faults:
            await talk.talk(messages, undisturbed=True, strike=None)
            await talk.all_arrived()
        for name, strike in FAULTS.items() if faults else ():
            share = messages // len(FAULTS)
            say(f"\n{share} messages each way, and in the middle {name}")
            await talk.talk(share, undisturbed=False, strike=strike(server))
            await talk.all_arrived()
            say("  all of them came once, in order")
            say(f"  then in silence: {await try_quietly(talk, server, strike)}")
        await talk.check()
        report(talk)
        talk.over = True
        await send_files(talk)


async def send_files(talk: Conversation) -> None:
    """A photograph and a clip, from Alice's phone over storage and the worker to Bob's."""
    alice, bob = talk.people
    seq = bob.inbox.positions[talk.chat_id]
    for got in await exchange(alice.sender, bob.sender, talk.chat_id, seq):
        require_clean(got)
        media, kilobytes = got.media, len(got.file.content) / 1000
        forms = ", ".join(
            f"{each['name']} {each['width']}x{each['height']} {each['byteSize'] / 1000:.0f} kB"
            for each in media["renditions"]
        )
        say(
            f"Alice to Bob: {got.file.name}, {kilobytes:.0f} kB, ready {got.ready_after_s:.1f} s "
            f"after it was begun: {forms}"
        )


def report(talk: Conversation) -> None:
    one, other = talk.people
    say("")
    lines = list(range(min(4, len(one.entries)))) + list(
        range(max(4, len(one.entries) - 3), len(one.entries))
    )
    for before, place in zip([-1, *lines], lines, strict=False):
        seq, text = one.entries[place]
        if place != before + 1:
            say("     …")
        reader = other if text.startswith(one.name) else one
        late_ms = (reader.arrived_at[text] - talk.sent_at[text]) * 1000
        say(f"{seq:6}  {text:<24} at {reader.name}'s after {late_ms:.1f} ms")
    say("")
    for sender, reader in ((one, other), (other, one)):
        line = (
            f"{sender.name} to {reader.name}: {len(sender.said)} sent, all arrived once, in order"
        )
        ms = talk.latencies_ms(sender, reader)
        if ms:
            p50, p99 = ms[len(ms) // 2], ms[len(ms) * 99 // 100]
            line += f"; from sending to arrival p50 {p50:.1f}, p99 {p99:.1f}, max {ms[-1]:.1f} ms"
        say(line)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@asynccontextmanager
async def running_server(faults: bool) -> AsyncIterator[RunningServer]:
    data_dir = Path(os.environ.get("PARLEY_DATA_DIR") or ".parley")
    found = find_server(data_dir)
    if found is not None and len(found.ports) < (2 if faults else 1):
        say(f"What runs in {data_dir} has one API process, and the faults need two.")
        found = None
    if found is not None:
        yield found
        return
    say("A server of our own starts, with two API processes …")
    async with start_server() as server:
        yield server


async def main(messages: int, *, faults: bool) -> None:
    async with running_server(faults) as server:
        ports = server.ports
        if len(ports) > 1:
            say(f"Alice sends to and reads at port {ports[0]}, Bob at port {ports[-1]}.")
        else:
            say("One API process runs. With two, messages go between them: PARLEY_API_PROCESSES=2")
        await play(server, messages, faults=faults)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make demo", description="Two people talk.")
    parser.add_argument("--messages", type=int, default=1000, help="of each; 1000 when not said")
    parser.add_argument("--faults", action="store_true", help="break parts of the server meanwhile")
    words = parser.parse_args()
    try:
        asyncio.run(main(words.messages, faults=words.faults))
    except* (Failed, OutOfOrder, NotRunning, Unfinished) as failures:
        for failure in failures.exceptions:
            say(f"FAILED: {failure}")
        raise SystemExit(1) from None
