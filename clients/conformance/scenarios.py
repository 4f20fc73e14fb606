"""What may happen to a client. After each, its picture must be the server's."""

import random
from collections.abc import Awaitable, Callable

from clients.conformance.people import ADD, DELETE, DEVICES, EDIT, REACT, REMOVE, REVOKE
from clients.conformance.world import Client, Different, World
from tests.faults.proxy import Link

Scenario = Callable[[World], Awaitable[None]]

FEW = [f"few {n}" for n in range(1, 6)]
MANY = [f"many {n}" for n in range(1, 41)]
WRITTEN = [f"written {n}" for n in range(1, 6)]


async def first_sync(world: World) -> None:
    """A chat and a group are there when the client comes for the first time."""
    await world.alice.say_all(world.chat, FEW)
    group = await world.alice.make_group("Trip", world.bob)
    await world.alice.say(group, "Where to?")
    await world.started()


async def live(world: World) -> None:
    """Both sides talk while the client follows, in a new group, too."""
    client = await world.started()
    for text in FEW:
        await world.alice.say(world.chat, text)
        await client.send(world.chat, f"re: {text}")
    group = await world.alice.make_group("Trip", world.bob)
    await world.alice.say(group, "Where to?")
    await world.same()


async def resume(world: World) -> None:
    """Messages come while the client is away."""
    client = await world.started()
    client.cut_off()
    await world.alice.say_all(world.chat, FEW)
    client.reconnect()
    await world.same()


async def cut_in_the_replay(world: World) -> None:
    """The connection breaks again and again, at any byte, while what was missed is replayed."""
    client = await world.started()
    client.cut_off()
    await world.alice.say_all(world.chat, MANY)
    cut_often(client, times=8)
    client.reconnect()
    await world.alice.say(world.chat, "after the cuts")
    await world.same()


def cut_often(client: Client, times: int) -> None:
    draw = random.Random(times)
    left = [times]

    def judge(link: Link, passing: bytes) -> int | None:
        if left[0] == 0 or draw.random() < 0.6:
            return None
        left[0] -= 1
        return draw.randrange(len(passing))

    client.between.to_client = judge


async def silence(world: World) -> None:
    """The connection goes silent without an end, as in a tunnel: a ping has to find it."""
    client = await world.started()
    for link in client.between.links:
        link.silent = True
    await world.alice.say(world.chat, "into silence")
    await client.send(world.chat, "out of silence")
    await world.same()


async def token_expiry(world: World) -> None:
    """The access token is refused, over HTTP and on the websocket: the client refreshes it."""
    client = await world.client()
    await client.start(accessToken="one.that.has.ended")
    await world.same()
    await world.alice.say(world.chat, "Still there?")
    await client.send(world.chat, "still here")
    await world.same()


async def offline_outbox(world: World) -> None:
    """What is written without a network is sent later, once, and in order."""
    client = await world.started()
    client.cut_off()
    await client.send_all(world.chat, WRITTEN)
    await world.alice.say(world.chat, "meanwhile")
    client.reconnect()
    await world.same()
    await require_in_order(client, world.chat)


async def answers_lost(world: World) -> None:
    """Sends arrive, and their answers do not: the client repeats, and all is stored once."""
    client = await world.started()
    lost: list[bytes] = []

    def judge(link: Link, passing: bytes) -> int | None:
        """Lose the answer over HTTP to each of the first sends."""
        if len(lost) == len(WRITTEN) - 2 or b"sendMessage" not in passing:
            return None
        lost.append(passing)
        return 0

    client.between.to_client = judge
    await client.send_all(world.chat, WRITTEN)
    await world.same()
    await require_in_order(client, world.chat)


async def require_in_order(client: Client, chat: str) -> None:
    (channel,) = [each for each in (await client.picture())["channels"] if each["id"] == chat]
    texts = [m["text"] for m in channel["messages"] if m["clientMessageId"] in WRITTEN]
    if texts != WRITTEN:
        raise Different([f"written as {WRITTEN}, stored as {texts}"])


async def changes_while_away(world: World) -> None:
    """Edits, deletions and reactions of messages that the client holds."""
    edited, deleted, liked = [await world.alice.say(world.chat, text) for text in FEW[:3]]
    await world.bob.ask(REACT, id=edited, emoji="👍")
    client = await world.started()
    client.cut_off()
    await world.alice.ask(EDIT, id=edited, text="edited")
    await world.alice.ask(DELETE, id=deleted)
    await world.alice.ask(REACT, id=liked, emoji="🎉")
    await world.bob.ask(REACT, id=edited, emoji=None)
    client.reconnect()
    await world.same()


async def removed(world: World) -> None:
    """The user is taken out of one group for good, and out of another and in again."""
    left = await world.alice.make_group("Left", world.bob)
    again = await world.alice.make_group("Again", world.bob)
    client = await world.started()
    client.cut_off()
    for group in left, again:
        await world.alice.ask(REMOVE, groupId=group, userId=world.bob.id)
        await world.alice.say(group, "not for Bob")
    await world.alice.ask(ADD, groupId=again, userIds=[world.bob.id])
    await world.alice.say(again, "welcome back")
    client.reconnect()
    await world.same()


async def resync(world: World) -> None:
    """The client missed more than the server replays: it fetches the channel again."""
    client = await world.started()
    client.cut_off()
    await world.alice.say_all(
        world.chat, [f"missed {n}" for n in range(world.target.replay_entries + 5)]
    )
    client.reconnect()
    await world.same()


async def two_tabs(world: World) -> None:
    """Two stores of one device, one of which is away while the other goes on."""
    stays, away = await world.started("tab 1"), await world.started("tab 2")
    away.cut_off()
    await world.alice.say_all(world.chat, MANY)
    await stays.send(world.chat, "from the first tab")
    await away.send(world.chat, "from the second tab")
    await world.same(stays)
    away.reconnect()
    await world.same()


async def killed(world: World) -> None:
    """The program ends without a word, with messages in its outbox, and is started again."""
    client = await world.started()
    client.cut_off()
    await client.send_all(world.chat, WRITTEN)
    await client.driver.kill()
    await world.alice.say_all(world.chat, FEW)
    client.driver = await world.start_driver()
    client.reconnect()
    await client.start()
    await world.same()
    await require_in_order(client, world.chat)


async def signed_out(world: World) -> None:
    """The device's session is ended from another device: the client says so."""
    client = await world.started()
    for device in await world.phone.ask(DEVICES):
        if device["isCurrent"]:
            await world.bob.ask(REVOKE, id=device["id"])
    await world.says_signed_out(client)


SCENARIOS: list[Scenario] = [
    first_sync,
    live,
    resume,
    cut_in_the_replay,
    silence,
    token_expiry,
    offline_outbox,
    answers_lost,
    changes_while_away,
    removed,
    resync,
    two_tabs,
    killed,
    signed_out,
]
