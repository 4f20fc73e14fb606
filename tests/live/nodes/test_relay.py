"""The relay: one process dispatches what others left, another goes on when it is gone, and what is
committed now goes first.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from models import ids
from models.duties import ASKED_AFTER_S, LEASE_S, Duty
from models.limits.limits import Limits
from models.log.committer import Committer
from models.log.entries import Batch, Recipients
from models.postgresql.database import Database
from parley.settings import Settings
from subscriptions.hub import Hub
from subscriptions.nodes.node import Node
from tests.client import added, until
from tests.live.processes import ApiProcess, api_process
from tests.make import Person, write_history
from tests.serving import Server
from tests.waiting import eventually
from workers.dispatch.dispatch import ROUND_BATCHES, Dispatcher
from workers.dispatch.relay import RELAY, RELAY_EVERY_S, UNSETTLED_S, Relay
from workers.push.queueing import PushQueue

INBOX = "subscription { inbox { __typename ... on MessageAdded { seq } } }"
PROMISED_S = 5.0


# -------------------------------------------------------------------- who relays


async def test_the_last_entry_arrives_though_whoever_relayed_was_killed(
    alice: Person,
    bob: Person,
    chat: str,
    server: Server,
    database: Database,
    committer: Committer,
    settings: Settings,
    tmp_path: Path,
) -> None:
    async with (
        api_process(settings, tmp_path / "log") as other,
        alice.follow(INBOX) as stream,
    ):
        await until(stream, "InboxReady")
        await give_relay_to(other, bob, server, database)

        other.process.send_signal(signal.SIGKILL)
        await other.process.wait()
        # Nobody dispatches it: as when its process died with it, and nothing follows.
        await write_history(committer, bob, chat, 1)

        assert (await added(stream))["seq"] == 1
    # When another has the duty, or when the entry counts as left; and the look of a holder.
    assert max(LEASE_S + ASKED_AFTER_S, UNSETTLED_S) + RELAY_EVERY_S < PROMISED_S


async def give_relay_to(
    other: ApiProcess, person: Person, server: Server, database: Database
) -> None:
    """Make the other process the one that relays, and wait until it has renewed its lease."""
    async with person.at(other.server).follow(INBOX) as stream:
        await until(stream, "InboxReady")
        found = await server.app._process.node.look_up([person.user.id])
    (holder_id,) = found[person.user.id]
    await database.execute(
        "UPDATE duties SET holder_id = $1, held_until = now() + interval '1 minute' "
        "WHERE name = $2",
        holder_id,
        RELAY,
    )

    async def is_renewed() -> bool:
        renewed: bool = await database.fetchval(
            "SELECT holder_id = $1 AND held_until < now() + interval '30 s' FROM duties "
            "WHERE name = $2",
            holder_id,
            RELAY,
        )
        return renewed

    await eventually(is_renewed)


# -------------------------------------------------------------------- what goes first


class Elsewhere:
    """A node whose users are all at another one: notes which batches that is told, in order. When
    the first are told, it calls back.
    """

    id = "here"

    def __init__(self) -> None:
        self.told: list[str] = []
        self.on_first: Callable[[], None] = lambda: None

    async def look_up(self, user_ids: Sequence[str]) -> dict[str, list[str]]:
        return {user_id: ["there"] for user_id in user_ids}

    async def publish(self, by_node: Mapping[str, Sequence[Batch]]) -> set[str]:
        if not self.told:
            self.on_first()
        self.told += [batch.outbox_id for batches in by_node.values() for batch in batches]
        return set()


async def test_what_is_committed_goes_before_all_that_the_relay_has_found(
    database: Database, limits: Limits
) -> None:
    left = 5 * ROUND_BATCHES
    await leave_batches(database, left)
    live = Batch(ids.new_id(), ids.new_id(), [], {"": Recipients([ids.new_id()], [1])})
    hub, node = Hub(database, replay_entries=1), Elsewhere()
    dispatcher = Dispatcher(database, hub, cast(Node, node), PushQueue(database, limits))
    node.on_first = lambda: dispatcher.on_commit(live)
    duty = Duty(database, ids.new_id(), ids.new_id())
    relay = Relay(database, hub, dispatcher, duty, every_s=0.01)
    dispatcher.start()
    relay.start()

    await eventually(lambda: len(node.told) > left)

    # The round that was under way, at most.
    assert node.told.index(live.outbox_id) <= ROUND_BATCHES
    await relay.close()
    await dispatcher.close()


async def leave_batches(database: Database, count: int) -> None:
    """Store batches of one channel that nobody has dispatched for an hour."""
    async with database.connection() as connection:
        await connection.executemany(
            "INSERT INTO outbox (channel_id, id, created_at, entry_channel_ids, entry_seqs, "
            "recipient_channel_ids, recipient_ids, recipient_joined_seqs) "
            "VALUES ($1, $2, now() - interval '1 hour', '{}', '{}', ARRAY[$1::uuid], "
            "ARRAY[$3::uuid], '{1}')",
            [(ids.new_id(), ids.new_id(), ids.new_id()) for _ in range(count)],
        )
